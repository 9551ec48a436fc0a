/* The far cache of far.py and scan.py as a Spin model: nodes with near caches, one look at the head for each batch,
   and a Redis that may give back any entry ever written, or nothing.

   One certificate, two changes: data 0, 1, 2. Node 1 starts at any moment; its first look takes in the last WIN
   changes, so its window begins there. A window remembers WIN changes: what is older is not believed.

   spin -a farcache.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m100000

   Mutants, each with a counter-example:
     -DGUARD=0     what was read late overwrites what a later look dropped
     -DSEQGUARD=0  any entry that opens is used, however old
     -DFLOOR=0     the window's beginning is not looked at: a change that it never saw or forgot counts as none
     -DRECHECK=0   the entry is held against the window when it is asked for, and put after a later look           */
#ifndef GUARD
#define GUARD 1
#endif
#ifndef SEQGUARD
#define SEQGUARD 1
#endif
#ifndef FLOOR
#define FLOOR 1
#endif
#ifndef RECHECK
#define RECHECK 1
#endif
#ifndef WIN
#define WIN 1                    /* changes remembered: fewer than happen, so that forgetting is explored too */
#endif

#define NODES 2
#define EMPTY 9
#ifndef CHANGES
#define CHANGES 1                /* of this certificate; 2 takes minutes and several GB */
#endif
#define WRITTEN 2                /* entries that fit into Redis */

byte seq = 0;                    /* ledger head; an event of this certificate or of another one */
byte data = 0;                   /* 0, 1, 2 in the order of the changes */
byte acked = 0;
byte at_seq[3];                  /* at_seq[d]: the sequence of the change that made d */

byte far_data[WRITTEN]; byte far_seq[WRITTEN]; byte written = 0;

byte near[NODES]; byte near_seq[NODES];
byte head[NODES]; bit started[NODES]; bit looking[NODES];
byte floor_[NODES];              /* nothing older is believed */
byte changed[NODES];             /* the last change of this certificate that the window remembers; 0: none */

/* One change of this certificate between changes of others: those push it out of a window. */
proctype Writer() {
  byte i = 0;
  do
  :: i < CHANGES ->
     i++;
     atomic { seq++; data = i; at_seq[i] = seq };
     acked = i;
     if :: seq++ :: skip fi      /* another certificate changes, or not */
  :: else -> break
  od
}

/* Take in one look, in one step of the event loop: window, and what leaves the near cache. */
inline take_look(n, h) {
  if
  :: !started[n] ->
     started[n] = 1; head[n] = h;
     floor_[n] = (h > WIN -> h - WIN : 0);
     changed[n] = 0;
     if
     :: at_seq[2] != 0 && at_seq[2] <= h && at_seq[2] > floor_[n] -> changed[n] = at_seq[2]
     :: else -> if :: at_seq[1] != 0 && at_seq[1] <= h && at_seq[1] > floor_[n] -> changed[n] = at_seq[1] :: else fi
     fi
  :: else ->
     if
     :: at_seq[2] != 0 && at_seq[2] <= h && at_seq[2] > head[n] -> changed[n] = at_seq[2]
     :: else -> if :: at_seq[1] != 0 && at_seq[1] <= h && at_seq[1] > head[n] -> changed[n] = at_seq[1] :: else fi
     fi;
     if :: near[n] != EMPTY && near_seq[n] < changed[n] && changed[n] > head[n] -> near[n] = EMPTY; near_seq[n] = 0 :: else fi;
     if :: h > head[n] -> head[n] = h :: else fi;
     if :: h > WIN && h - WIN > floor_[n] -> floor_[n] = h - WIN :: else fi;
     if :: changed[n] <= floor_[n] -> changed[n] = 0 :: else fi
  fi
}

#define ADMITS(n, s) ((!FLOOR || s >= floor_[n]) && changed[n] <= s)

proctype Set(byte n; byte looks) {
  byte saw, h, v, s, k, i = 0; bit have, holds;
  do
  :: i < looks ->
     i++; have = 0;
     atomic { !looking[n] -> looking[n] = 1; saw = acked };   /* the last to join; the set is swapped out */
     h = seq;                                 /* the look reaches the primary */
     atomic {
       take_look(n, h);
       looking[n] = 0;
       if :: near[n] != EMPTY -> v = near[n]; have = 1 :: else fi
     };
     if
     :: !have && written > 0 ->
        atomic {
          if :: k = 0 :: written > 1 -> k = 1 :: k = WRITTEN fi;   /* any, or none */
          if :: k < WRITTEN -> v = far_data[k]; s = far_seq[k]; holds = (ADMITS(n, s) && s <= head[n]) :: else -> holds = 0 fi
        };
        /* the reply travels; later looks may come in between */
        atomic {
          if
          :: k < WRITTEN && (!SEQGUARD || (RECHECK -> (ADMITS(n, s) && s <= head[n]) : holds)) ->
             have = 1;
             if :: near[n] == EMPTY || near_seq[n] <= s -> near[n] = v; near_seq[n] = s :: else fi
          :: else
          fi
        }
     :: else
     fi;
     if
     :: !have ->
        s = seq;                              /* the label is read before the data */
        v = data;
        atomic {
          if :: (!GUARD || (ADMITS(n, s) && (near[n] == EMPTY || near_seq[n] <= s))) -> near[n] = v; near_seq[n] = s :: else fi;
          if :: written < WRITTEN -> far_data[written] = v; far_seq[written] = s; written++ :: else fi
        }
     :: else
     fi;
     atomic { assert(v >= saw); v = 0; saw = 0; s = 0; k = 0; h = 0; holds = 0 }   /* F1 */
  :: else -> break
  od
}

init {
  atomic {
    near[0] = EMPTY; near[1] = EMPTY;
    run Writer(); run Set(0, 1); run Set(0, 2); run Set(1, 1)
  }
}
