-- The register. Times are microseconds since 1970 UTC, dates are ISO text, digests are raw bytes.

create table ledger_head (
  id   integer primary key check (id = 1),
  seq  integer not null,
  hash blob    not null,
  history text not null default (lower(hex(randomblob(16)))),  -- another one after every restore
  lost    integer not null default 0                           -- rows of `lost` that are not settled
) strict;

create table event (
  seq     integer primary key,
  kind    text    not null,
  number  text,                       -- the certificate it changes
  scope   text,                       -- or what it touches: agency:CODE, key:KID
  body    text    not null,           -- canonical JSON; what the hash covers
  hash    blob    not null
) strict;
create index event_by_number on event (number, seq) where number is not null;
create index event_of_scopes on event (seq) where kind in ('agency-changed', 'key-changed');

create trigger event_is_append_only_1 before update on event
begin select raise(abort, 'the ledger is append-only'); end;
create trigger event_is_append_only_2 before delete on event
begin select raise(abort, 'the ledger is append-only'); end;
create trigger event_is_gap_free before insert on event
when new.seq < 1 or (new.seq > 1 and not exists (select 1 from event where seq = new.seq - 1))
begin select raise(abort, 'the ledger has no gaps'); end;
create trigger head_only_advances before update of seq, hash on ledger_head
when new.seq <= old.seq or not exists (select 1 from event where seq = new.seq and hash = new.hash)
begin select raise(abort, 'the ledger head follows its events'); end;
create trigger head_stays before delete on ledger_head
begin select raise(abort, 'the ledger head stays'); end;

create table event_note (               -- free text of an event, sealed: it may name people
  seq    integer primary key references event (seq),
  sealed blob not null
) strict;

create table agency (
  code    text primary key,
  kind    text not null,
  name_zh text not null,
  name_en text not null,
  state   text not null check (state in ('active', 'suspended', 'cancelled')),
  since   integer not null,
  reason  text,
  contact text
) strict, without rowid;

create table filing (
  id                 text primary key,
  agency             text not null references agency (code),
  occupation_code    text not null,
  occupation_name    text not null,
  occupation_edition text not null,
  levels             text not null,     -- JSON array
  work_types         text not null,     -- JSON array
  from_on            text not null,
  to_on              text
) strict, without rowid;
create index filing_by_agency on filing (agency, occupation_code);

create table credential (
  id          text primary key,
  role        text not null check (role in ('agency', 'operator', 'employer')),
  agency      text references agency (code),
  name        text not null,
  secret_hash blob not null,         -- empty when a restore lost the secret
  created_at  integer not null,
  revoked_at  integer,
  rotations   integer not null default 0,  -- how often the secret was exchanged
  old_hash    blob,                  -- of the secret before, which counts until then
  old_until   integer,
  check ((role = 'agency') = (agency is not null)),
  check ((old_hash is null) = (old_until is null))
) strict, without rowid;

create table signing_key (
  kid            text primary key,
  owner          text not null,         -- agency code or 'operator'
  owner_zh       text not null,
  owner_en       text not null,
  purpose        text not null,
  alg            text not null,
  key_bytes      blob not null,
  certificate    blob,                  -- X.509, DER
  state          text not null check (state in ('pending', 'active', 'retired', 'compromised')),
  created_at     integer not null,
  active_from    integer,
  active_to      integer,
  compromised_at integer
) strict, without rowid;
create unique index signing_key_in_use on signing_key (owner, purpose) where state = 'active';

create table trust_list (
  sequence  integer primary key,
  issued_at integer not null,
  document  blob not null
) strict;

create table revocation_list (          -- the last X.509 list (CRL) of each root
  kid      text primary key references signing_key (kid),
  made_at  integer not null,
  document blob not null                -- DER, signed by the root
) strict, without rowid;

create table pack_file (                -- files of status packs, named by their SHA-256 in base64url
  name    text primary key,
  body    blob not null,
  made_at integer not null
) strict;
create index pack_file_by_age on pack_file (made_at);

create table pack_manifest (
  seq       integer not null,         -- the ledger sequence that the pack is true at
  issued_at integer not null,
  pack      text not null,            -- the whole pack among the files
  document  blob not null,            -- signed by the root
  primary key (seq, issued_at)
) strict, without rowid;

create table counter (
  prefix text primary key,
  next   integer not null
) strict, without rowid;
create trigger counter_never_goes_back before update on counter when new.next < old.next
begin select raise(abort, 'a spent number is not given back'); end;
create trigger counter_stays before delete on counter
begin select raise(abort, 'a spent number is not given back'); end;

create table certificate (
  number        text primary key,
  agency        text not null references agency (code),
  batch         text,
  face          text not null,          -- JSON, no personal data
  holder_sealed blob not null,
  commitment    blob not null,
  business_tag  blob not null,
  business_nth  integer not null,
  status        text not null
                check (status in ('prepared', 'void', 'valid', 'suspended', 'revoked', 'replaced')),
  revision      integer not null,
  seq           integer not null,
  since         integer not null,
  reason        text,
  until         integer,
  replaced_by   text,
  replaces      text,
  current_copy  integer not null,       -- 0 until issued; copies below it are replaced: never two, never none
  check ((status in ('prepared', 'void')) = (current_copy = 0)),
  check ((status = 'replaced') = (replaced_by is not null)),
  check (until is null or status = 'suspended')
) strict;
create unique index certificate_once on certificate (business_tag, business_nth);
create index certificate_by_batch on certificate (agency, batch) where batch is not null;
create index certificate_not_valid on certificate (number) where status <> 'valid' and status <> 'prepared';
create index certificate_ends on certificate (until) where until is not null;

-- The arrows of certificate/status.py; suspended>replaced is walked through a suspension that has lapsed.
create trigger certificate_arrows before update of status on certificate
when old.status <> new.status and old.status || '>' || new.status not in
  ('prepared>valid', 'prepared>void', 'valid>suspended', 'suspended>valid',
   'valid>revoked', 'suspended>revoked', 'valid>replaced', 'suspended>replaced')
begin select raise(abort, 'this change of status is not allowed'); end;
create trigger certificate_revision before update on certificate
when new.revision < old.revision or new.seq < old.seq or new.current_copy < old.current_copy
begin select raise(abort, 'a certificate never goes back'); end;
create trigger certificate_stays before delete on certificate
begin select raise(abort, 'a certificate is never deleted'); end;

create table copy (
  number        text not null references certificate (number),
  copy          integer not null,
  scan_code     text not null unique,
  cause         text not null check (cause in ('original', 'lost', 'damaged', 'corrected')),
  kid           text not null references signing_key (kid),
  issued_at     integer not null,
  blank_serial  text,
  remark        text,
  state         text not null check (state in ('prepared', 'issued', 'void')),
  token         blob,                 -- COSE_Sign1, once signed; sealed, since it names the holder
  credential    blob,                 -- JWS, likewise
  pending       blob,                   -- sealed: the corrected data that this copy brings, until it is issued
  check ((state = 'issued') = (token is not null and credential is not null)),
  primary key (number, copy)
) strict;                                -- with a rowid: two signed copies share a page, else each spills onto one
create index copy_unfinished on copy (state) where state = 'prepared';
create trigger copy_is_signed_once before update on copy when old.token is not null
begin select raise(abort, 'a copy is signed once'); end;
create trigger copy_stays before delete on copy
begin select raise(abort, 'a copy is never deleted'); end;

create table photo (
  number text not null references certificate (number),
  copy   integer not null,
  sealed blob not null,
  primary key (number, copy)
) strict, without rowid;

create table document (                 -- the file of a copy, as it was first made: never made anew, only grown
  number text not null references certificate (number),
  copy   integer not null,
  kind   text not null,                 -- the form it is printed in
  part   integer not null,              -- 0 is the first file; the later ones are what renewals appended to it
  sealed blob not null,
  digest blob not null,                 -- SHA-256 of the file with this part at its end, which the ledger has too
  due_at integer,                       -- of the last part: when the next is wanted; null when none is
  primary key (number, copy, kind, part)
) strict;
create index document_due on document (due_at) where due_at is not null;
create trigger document_is_kept before update of number, copy, kind, part, sealed, digest on document
begin select raise(abort, 'a kept file is not changed'); end;

create table stand_in (                 -- the picture of a character that no font has
  id         text primary key,
  agency     text not null references agency (code),
  tag        blob not null,             -- keyed digest of agency and character
  sealed     blob not null,             -- character, picture, evidence, note
  state      text not null check (state in ('waiting', 'accepted', 'refused')),
  filed_by   text not null,
  filed_at   integer not null,
  decided_by text,
  decided_at integer,
  check ((state = 'waiting') = (decided_by is null))
) strict;
create index stand_in_by_agency on stand_in (agency, filed_at);
create unique index stand_in_once on stand_in (agency, tag) where state <> 'refused';
create trigger stand_in_arrows before update on stand_in
when old.state = 'refused' or new.state = 'waiting' or new.sealed <> old.sealed or new.tag <> old.tag
begin select raise(abort, 'a stand-in does not change'); end;
create trigger stand_in_stays before delete on stand_in
begin select raise(abort, 'a stand-in is never deleted'); end;

create table finder (                   -- keyed blind index: who may be found by what
  tag    blob not null,
  number text not null references certificate (number),
  primary key (tag, number)
) strict, without rowid;

create index finder_by_number on finder (number);

create table idempotency (              -- for the life of the certificate
  owner   text not null,
  key     text not null,
  request blob not null,
  result  text not null,                -- certificate number, number/copy, batch id or proposal id
  primary key (owner, key)
) strict, without rowid;

create table batch (
  id         text primary key,
  agency     text not null references agency (code),
  actor      text not null,
  created_at integer not null,
  state      text not null check (state in ('receiving', 'ready', 'done')),
  total      integer not null,
  issued     integer not null,
  failed     integer not null
) strict, without rowid;
create index batch_unfinished on batch (state) where state <> 'done';

create table batch_row (
  batch  text not null references batch (id),
  row    integer not null,              -- 1 is the first row of data
  state  text not null check (state in ('waiting', 'issued', 'failed')),
  sealed blob,                          -- the request, until it is dealt with
  number text,
  faults text,                          -- JSON, no personal data
  primary key (batch, row)
) strict, without rowid;
create index batch_row_waiting on batch_row (batch, row) where state = 'waiting';

create table proposal (                 -- bulk revocation: one proposes, another approves
  id          text primary key,
  agency      text,                     -- null when the operator proposes across agencies
  reason      text not null,
  numbers     text not null,            -- JSON array
  proposed_by text not null,
  proposed_at integer not null,
  note_sealed blob,
  state       text not null check (state in ('waiting', 'carried-out', 'withdrawn')),
  decided_by  text,
  decided_at  integer
) strict, without rowid;

create table employer_check (           -- a list that an employer asked about; kept, without what was asked
  id         text primary key,
  employer   text not null references credential (id),
  key        text not null,             -- its idempotency key
  request    blob not null,             -- keyed digest of the list
  created_at integer not null,
  done_at    integer,
  total      integer not null,
  found      integer not null,
  missed     integer not null,
  failed     integer not null,
  digest     blob,                    -- SHA-256 of the file of results, once it was signed
  unique (employer, key)
) strict, without rowid;
create index employer_check_by_day on employer_check (employer, created_at);
create index employer_check_unfinished on employer_check (created_at) where done_at is null;

create table employer_check_row (
  check_id text not null references employer_check (id),
  row      integer not null,            -- 1 is the first row of data
  state    text not null check (state in ('waiting', 'found', 'missed', 'failed')),
  sealed   blob not null,               -- the question until it is answered, then the result; dropped later
  primary key (check_id, row)
) strict, without rowid;
create index employer_check_row_waiting on employer_check_row (check_id, row) where state = 'waiting';

create table receipt (                  -- that a signed receipt was given: who, when, for what
  id       text primary key,
  employer text not null references credential (id),
  request  blob not null,               -- keyed digest of the question
  digest   blob not null,               -- SHA-256 of what was signed
  given_at integer not null
) strict, without rowid;

create table checked (                  -- how often an employer asked about a certificate on a day
  number   text not null references certificate (number),
  employer text not null references credential (id),
  kind     text not null check (kind in ('list', 'receipt')),
  day      text not null,
  times    integer not null,
  primary key (number, employer, kind, day)
) strict, without rowid;
create index checked_by_day on checked (day);

create table subscription (             -- a certificate that an employer wants to hear about
  employer text not null references credential (id),
  number   text not null references certificate (number),
  seq      integer not null,            -- later ledger entries are told
  since    integer not null,
  primary key (employer, number)
) strict, without rowid;
create index subscription_by_number on subscription (number);

create table webhook (                  -- an address of an employer that is told by itself
  id            text primary key,
  employer      text not null references credential (id),
  url           text not null,
  state         text not null check (state in ('unproven', 'active', 'parked')),
  created_at    integer not null,
  cursor_seq    integer not null,       -- what was told and answered
  cursor_number text not null,
  failures      integer not null,       -- in a row
  failing_since integer,
  next_try_at   integer not null
) strict, without rowid;
create index webhook_by_employer on webhook (employer, created_at);
create index webhook_due on webhook (next_try_at) where state = 'active';

create table webhook_delivery (         -- the last ones of each address
  webhook text not null references webhook (id),
  nth     integer not null,
  event   text not null,
  at      integer not null,
  outcome text not null,
  status  integer,                      -- HTTP, if there was an answer
  took_ms integer not null,
  primary key (webhook, nth)
) strict, without rowid;

create table duty (                     -- work that one process does for all, until then
  name   text primary key,
  holder text not null,
  until  integer not null
) strict, without rowid;

create table share (                    -- a link that a holder gave away
  id           text primary key,
  tag          blob not null unique,    -- keyed digest of its code
  number       text not null references certificate (number),
  sealed       blob not null,           -- code and label
  created_at   integer not null,
  expires_at   integer not null,
  withdrawn_at integer
) strict, without rowid;
create index share_by_number on share (number, created_at);

create table unlisted (                 -- what a search by person does not show, as its holder wishes
  number text primary key references certificate (number),
  tag    blob not null,                 -- the person's in the blind index
  since  integer not null
) strict, without rowid;

create table visit (                    -- how often somebody came as a certificate's holder on a day, and for what
  number text not null references certificate (number),
  kind   text not null check (kind in ('sign-in', 'document', 'picture')),
  day    text not null,
  times  integer not null,
  primary key (number, kind, day)
) strict, without rowid;
create index visit_by_day on visit (day);

create table ended_session (            -- a holder's session that its holder ended before its time
  tag   blob primary key,             -- keyed digest of its text
  until integer not null                -- its time; nothing is to be known of it later
) strict, without rowid;

create table case_file (                -- what somebody told the desk: a report, or an objection to a certificate
  id         text primary key,          -- begins with its instant: ids are in order of arrival
  tag        blob not null unique,      -- keyed digest of the receipt
  kind       text not null check (kind in ('report', 'objection')),
  matter     text not null,
  number     text references certificate (number),  -- of an objection by its holder
  agency     text references agency (code),         -- in whose queue it stands beside the operator's
  state      text not null check (state in ('received', 'accepted', 'answered', 'closed')),
  created_at integer not null,
  due_at     integer,
  settled_at integer,                   -- since when it is answered or closed
  sealed     blob not null,             -- what was told
  check ((state in ('answered', 'closed')) = (settled_at is not null))
) strict;
create index case_file_by_state on case_file (state, id);
create index case_file_by_agency on case_file (agency, state, id) where agency is not null;
create index case_file_by_number on case_file (number, id) where number is not null;

create table case_picture (             -- what a report shows, made anew from what was sent
  case_id text primary key references case_file (id),
  sealed  blob not null
) strict;

create table case_event (               -- who did what about a case, and when; goes with its case, never before
  case_id text not null references case_file (id),
  nth     integer not null,
  at      integer not null,
  actor   text not null,
  role    text not null check (role in ('public', 'holder', 'agency', 'operator', 'system')),
  event   text not null check (event in ('received', 'accepted', 'assigned', 'answered', 'closed')),
  request blob not null,                -- keyed digest of the request
  sealed  blob,                         -- the answer, or a note
  primary key (case_id, nth)
) strict;

create table imitation_site (           -- a site that imitates this one; each listing is a row of its own, for ever
  domain     text not null,
  added_at   integer not null,
  added_by   text not null,
  seen_on    text not null,
  note       text not null,
  removed_at integer,
  removed_by text,
  primary key (domain, added_at),
  check ((removed_at is null) = (removed_by is null))
) strict;
create unique index imitation_site_listed on imitation_site (domain) where removed_at is null;
create trigger case_file_arrows before update on case_file
when old.state <> new.state and old.state || '>' || new.state not in
  ('received>accepted', 'received>answered', 'received>closed', 'accepted>answered', 'accepted>closed', 'answered>closed')
  or new.sealed <> old.sealed or new.tag <> old.tag
begin select raise(abort, 'a case does not go back'); end;
create trigger case_file_stays before delete on case_file when old.state <> 'closed'
begin select raise(abort, 'an open case stays'); end;
create trigger case_event_is_append_only before update on case_event
begin select raise(abort, 'what was done about a case stays'); end;
create trigger case_event_stays before delete on case_event
when exists (select 1 from case_file where id = old.case_id and state <> 'closed')
begin select raise(abort, 'what was done about a case stays'); end;
create trigger imitation_site_is_kept before update on imitation_site
when old.removed_at is not null or new.domain <> old.domain or new.note <> old.note or new.seen_on <> old.seen_on
begin select raise(abort, 'a listing is taken back once'); end;
create trigger imitation_site_stays before delete on imitation_site
begin select raise(abort, 'a listing is never deleted'); end;

create table lost (                     -- issued, as the ledger says, and not brought back by a restore
  number     text not null,
  copy       integer not null,
  agency     text not null,
  issued_at  integer not null,
  status     text not null check (status in ('valid', 'suspended', 'revoked', 'replaced')),  -- the ledger's last word
  until      integer,
  settled_at integer,                   -- since when the operator answers for it, and look-ups call it unknown
  settled_by text,
  primary key (number, copy),
  check ((settled_at is null) = (settled_by is null))
) strict, without rowid;
create trigger lost_is_counted after insert on lost when new.settled_at is null
begin update ledger_head set lost = lost + 1; end;
create trigger lost_is_settled after update on lost when old.settled_at is null and new.settled_at is not null
begin update ledger_head set lost = lost - 1; end;
create trigger lost_stays_settled before update on lost when old.settled_at is not null and new.settled_at is null
begin select raise(abort, 'what is settled stays settled'); end;
create trigger lost_stays before delete on lost
begin select raise(abort, 'a lost certificate is never forgotten'); end;

-- the genesis hash of proof/ledger.py
insert into ledger_head (id, seq, hash)
values (1, 0, x'51ddf2cf2cc01f6fcbe737506bf5653a902ed766c9edeced9143404158ddc877');
