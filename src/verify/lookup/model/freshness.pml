/* The scheme of scan.py as a Spin model: one node, near cache + look at the head + guarded put + resolve step.

   One certificate. data 0 valid, 1 revoked. tag 0 is the old name's finder, moved to 1 by the same writer: a
   correction and a revocation are one kind of change here, each with one event. Readers are waiting sets, not
   requests: a request that joins a set before it is swapped out begins before `saw` is taken.

   spin -a freshness.pml && gcc -O2 -DSAFETY -o pan pan.c && ./pan -m100000

   Mutants, each with a counter-example:
     -DGUARD=0    a slow store read may overwrite what a later look dropped
     -DJOIN=1     a request joins a look already sent
     -DASIDE=1    plain cache-aside: the writer drops the entry after its commit, nobody looks at the head
     -DTTL=1      no look while the entry is young; `age` grows at any moment
     -DRECHECK=0  what a tag led to is not held against the entry                                            */
#ifndef GUARD
#define GUARD 1
#endif
#ifndef JOIN
#define JOIN 0
#endif
#ifndef ASIDE
#define ASIDE 0
#endif
#ifndef TTL
#define TTL 0
#endif
#ifndef RECHECK
#define RECHECK 1
#endif

#ifndef SETS
#define SETS 1                   /* waiting sets that ask by number: 2 takes a minute and 5 GB, and shows no error */
#endif

#define EMPTY 9
#define CHANGES 2
#define LOOKS 2                  /* of each set */

byte seq = 0;                    /* ledger head: one step with every change, in its commit */
byte data = 0;                   /* what the register says: 0, 1, 2 in the order of the changes */
bit  tagged = 0;                 /* finder: 0 leads the old name here, 1 the new one */
byte acked = 0;                  /* the highest data that was acknowledged */

byte near = EMPTY; byte near_seq = 0; bit near_tag = 0;
byte head = 0;                   /* the window: head as last seen */
byte changed = 0;                /* ... and the last known change of this number */
bit  looking = 0;                /* one look at a time */
byte young = 0;                  /* TTL mutant: the entry has not expired */

proctype Writer() {
  byte i = 0;
  do
  :: i < CHANGES ->
     i++;
     atomic { data = i; seq++; if :: i == 2 -> tagged = 1 :: else fi }
#if ASIDE
     near = EMPTY;               /* drop after the commit */
#endif
     acked = i
  :: else -> break
  od
}

proctype Clock() { young = 0 }

/* One waiting set asks by number (by_tag 0) or by the old name (by_tag 1). */
proctype Set(bit by_tag) {
  byte saw, h, v, s, f; bit t, found, have; byte n = 0;
  do
  :: n < LOOKS ->
     n++; have = 0; found = 1;
#if JOIN
     if :: true -> skip :: looking -> skip fi;
#endif
#if !JOIN
     saw = acked;                /* the last request of this set joins here */
#endif
#if !ASIDE
#if TTL
     if
     :: young && near != EMPTY && !by_tag -> v = near; have = 1; goto answer
     :: else -> skip
     fi;
#endif
     /* look: one at a time; the head, and what the tag leads to, in the order of the statements */
     atomic { !looking -> looking = 1 };
     h = seq;
     if :: by_tag -> found = (tagged == 0) :: else fi;
#if JOIN
     saw = acked;                /* joins after the statement was sent */
#endif
     /* the result is applied in one step of the event loop, as is the answer from memory */
     atomic {
       if :: h > head ->
             head = h; changed = h;
             if :: near != EMPTY && near_seq < h -> near = EMPTY :: else fi
          :: else fi;
       looking = 0;
       if
       :: !found -> goto none
       :: found && near != EMPTY && (!by_tag || !RECHECK || near_tag == 0) -> v = near; t = near_tag; have = 1
       :: else -> skip
       fi
     };
#else
     saw = acked;
     if :: near != EMPTY -> v = near; t = near_tag; have = 1 :: else -> skip fi;
#endif
     if
     :: !have ->
        s = seq;                 /* the label is read before the data, or in one snapshot */
        atomic { v = data; t = tagged };
        atomic {
          if :: (!GUARD || changed <= s) && (near == EMPTY || near_seq <= s || !GUARD) ->
                near = v; near_seq = s; near_tag = t; young = 1
             :: else fi
        }
     :: else -> skip
     fi;
answer:
     if :: by_tag && RECHECK && t != 0 -> goto none :: else -> skip fi;
     assert(v >= saw);           /* F1: nothing older than what was acknowledged before the last join */
     assert(!by_tag || t == 0);  /* an old name is never answered with the face that replaced it */
none: skip
  :: else -> break
  od
}

init {
  atomic { run Writer(); run Set(0); run Set(1);
#if SETS > 1
           run Set(0);
#endif
#if TTL
           run Clock()
#endif
  }
}
