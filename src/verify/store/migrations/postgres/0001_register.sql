-- The register. Times are microseconds since 1970 UTC, dates are ISO text, digests are raw bytes.

create table ledger_head (
  id   bigint primary key check (id = 1),
  seq  bigint not null,
  hash bytea    not null,
  history text not null default replace(gen_random_uuid()::text, '-', ''),  -- another one after every restore
  lost    bigint not null default 0                                         -- rows of `lost` that are not settled
);

create table event (
  seq     bigint primary key,
  kind    text    not null,
  number  text collate "C",                       -- the certificate it changes
  scope   text,                       -- or what it touches: agency:CODE, key:KID
  body    text    not null,           -- canonical JSON; what the hash covers
  hash    bytea    not null
);
create index event_by_number on event (number, seq) where number is not null;
create index event_of_scopes on event (seq) where kind in ('agency-changed', 'key-changed');

create table event_note (               -- free text of an event, sealed: it may name people
  seq    bigint primary key references event (seq),
  sealed bytea not null
);

create table agency (
  code    text collate "C" primary key,
  kind    text not null,
  name_zh text not null,
  name_en text not null,
  state   text not null check (state in ('active', 'suspended', 'cancelled')),
  since   bigint not null,
  reason  text,
  contact text
);

create table filing (
  id                 text collate "C" primary key,
  agency             text collate "C" not null references agency (code),
  occupation_code    text not null,
  occupation_name    text not null,
  occupation_edition text not null,
  levels             text not null,     -- JSON array
  work_types         text not null,     -- JSON array
  from_on            text not null,
  to_on              text
);
create index filing_by_agency on filing (agency, occupation_code);

create table credential (
  id          text collate "C" primary key,
  role        text not null check (role in ('agency', 'operator', 'employer')),
  agency      text collate "C" references agency (code),
  name        text not null,
  secret_hash bytea not null,         -- empty when a restore lost the secret
  created_at  bigint not null,
  revoked_at  bigint,
  rotations   bigint not null default 0,  -- how often the secret was exchanged
  old_hash    bytea,                  -- of the secret before, which counts until then
  old_until   bigint,
  check ((role = 'agency') = (agency is not null)),
  check ((old_hash is null) = (old_until is null))
);

create table signing_key (
  kid            text collate "C" primary key,
  owner          text collate "C" not null,         -- agency code or 'operator'
  owner_zh       text not null,
  owner_en       text not null,
  purpose        text not null,
  alg            text not null,
  key_bytes      bytea not null,
  certificate    bytea,                  -- X.509, DER
  state          text not null check (state in ('pending', 'active', 'retired', 'compromised')),
  created_at     bigint not null,
  active_from    bigint,
  active_to      bigint,
  compromised_at bigint
);
create unique index signing_key_in_use on signing_key (owner, purpose) where state = 'active';

create table trust_list (
  sequence  bigint primary key,
  issued_at bigint not null,
  document  bytea not null
);

create table revocation_list (          -- the last X.509 list (CRL) of each root
  kid      text collate "C" primary key references signing_key (kid),
  made_at  bigint not null,
  document bytea not null               -- DER, signed by the root
);

create table pack_file (                -- files of status packs, named by their SHA-256 in base64url
  name    text collate "C" primary key,
  body    bytea not null,
  made_at bigint not null
);
create index pack_file_by_age on pack_file (made_at);

create table pack_manifest (
  seq       bigint not null,         -- the ledger sequence that the pack is true at
  issued_at bigint not null,
  pack      text collate "C" not null,            -- the whole pack among the files
  document  bytea not null,            -- signed by the root
  primary key (seq, issued_at)
);

create table counter (
  prefix text collate "C" primary key,
  next   bigint not null
);

create table certificate (
  number        text collate "C" primary key,
  agency        text collate "C" not null references agency (code),
  batch         text collate "C",
  face          text not null,          -- JSON, no personal data
  holder_sealed bytea not null,
  commitment    bytea not null,
  business_tag  bytea not null,
  business_nth  bigint not null,
  status        text not null
                check (status in ('prepared', 'void', 'valid', 'suspended', 'revoked', 'replaced')),
  revision      bigint not null,
  seq           bigint not null,
  since         bigint not null,
  reason        text,
  until         bigint,
  replaced_by   text,
  replaces      text,
  current_copy  bigint not null,       -- 0 until issued; copies below it are replaced: never two, never none
  check ((status in ('prepared', 'void')) = (current_copy = 0)),
  check ((status = 'replaced') = (replaced_by is not null)),
  check (until is null or status = 'suspended')
);
create unique index certificate_once on certificate (business_tag, business_nth);
create index certificate_by_batch on certificate (agency, batch) where batch is not null;
create index certificate_not_valid on certificate (number) where status <> 'valid' and status <> 'prepared';
create index certificate_ends on certificate (until) where until is not null;

create table copy (
  number        text collate "C" not null references certificate (number),
  copy          bigint not null,
  scan_code     text collate "C" not null unique,
  cause         text not null check (cause in ('original', 'lost', 'damaged', 'corrected')),
  kid           text collate "C" not null references signing_key (kid),
  issued_at     bigint not null,
  blank_serial  text,
  remark        text,
  state         text not null check (state in ('prepared', 'issued', 'void')),
  token         bytea,                 -- COSE_Sign1, once signed; sealed, since it names the holder
  credential    bytea,                 -- JWS, likewise
  pending       bytea,                   -- sealed: the corrected data that this copy brings, until it is issued
  check ((state = 'issued') = (token is not null and credential is not null)),
  primary key (number, copy)
);
create index copy_unfinished on copy (state) where state = 'prepared';

create table photo (
  number text collate "C" not null references certificate (number),
  copy   bigint not null,
  sealed bytea not null,
  primary key (number, copy)
);

create table document (                 -- the file of a copy, as it was first made: never made anew, only grown
  number text collate "C" not null references certificate (number),
  copy   bigint  not null,
  kind   text collate "C" not null,                 -- the form it is printed in
  part   bigint not null,               -- 0 is the first file; the later ones are what renewals appended to it
  sealed bytea not null,
  digest bytea not null,                -- SHA-256 of the file with this part at its end, which the ledger has too
  due_at bigint,                        -- of the last part: when the next is wanted; null when none is
  primary key (number, copy, kind, part)
);
create index document_due on document (due_at) where due_at is not null;

create table stand_in (                 -- the picture of a character that no font has
  id         text collate "C" primary key,
  agency     text collate "C" not null references agency (code),
  tag        bytea  not null,           -- keyed digest of agency and character
  sealed     bytea  not null,           -- character, picture, evidence, note
  state      text   not null check (state in ('waiting', 'accepted', 'refused')),
  filed_by   text   not null,
  filed_at   bigint not null,
  decided_by text,
  decided_at bigint,
  check ((state = 'waiting') = (decided_by is null))
);
create index stand_in_by_agency on stand_in (agency, filed_at);
create unique index stand_in_once on stand_in (agency, tag) where state <> 'refused';

create table finder (                   -- keyed blind index: who may be found by what
  tag    bytea not null,
  number text collate "C" not null references certificate (number),
  primary key (tag, number)
);

create index finder_by_number on finder (number);

create table idempotency (              -- for the life of the certificate
  owner   text collate "C" not null,
  key     text collate "C" not null,
  request bytea not null,
  result  text collate "C" not null,                -- certificate number, number/copy, batch id or proposal id
  primary key (owner, key)
);

create table batch (
  id         text collate "C" primary key,
  agency     text collate "C" not null references agency (code),
  actor      text not null,
  created_at bigint not null,
  state      text not null check (state in ('receiving', 'ready', 'done')),
  total      bigint not null,
  issued     bigint not null,
  failed     bigint not null
);
create index batch_unfinished on batch (state) where state <> 'done';

create table batch_row (
  batch  text collate "C" not null references batch (id),
  row    bigint not null,              -- 1 is the first row of data
  state  text not null check (state in ('waiting', 'issued', 'failed')),
  sealed bytea,                          -- the request, until it is dealt with
  number text collate "C",
  faults text,                          -- JSON, no personal data
  primary key (batch, row)
);
create index batch_row_waiting on batch_row (batch, row) where state = 'waiting';

create table proposal (                 -- bulk revocation: one proposes, another approves
  id          text collate "C" primary key,
  agency      text collate "C",                     -- null when the operator proposes across agencies
  reason      text not null,
  numbers     text not null,            -- JSON array
  proposed_by text not null,
  proposed_at bigint not null,
  note_sealed bytea,
  state       text not null check (state in ('waiting', 'carried-out', 'withdrawn')),
  decided_by  text,
  decided_at  bigint
);

create table employer_check (           -- a list that an employer asked about; kept, without what was asked
  id         text collate "C" primary key,
  employer   text collate "C" not null references credential (id),
  key        text collate "C" not null,             -- its idempotency key
  request    bytea not null,             -- keyed digest of the list
  created_at bigint not null,
  done_at    bigint,
  total      bigint not null,
  found      bigint not null,
  missed     bigint not null,
  failed     bigint not null,
  digest     bytea,                    -- SHA-256 of the file of results, once it was signed
  unique (employer, key)
);
create index employer_check_by_day on employer_check (employer, created_at);
create index employer_check_unfinished on employer_check (created_at) where done_at is null;

create table employer_check_row (
  check_id text collate "C" not null references employer_check (id),
  row      bigint not null,            -- 1 is the first row of data
  state    text not null check (state in ('waiting', 'found', 'missed', 'failed')),
  sealed   bytea not null,               -- the question until it is answered, then the result; dropped later
  primary key (check_id, row)
);
create index employer_check_row_waiting on employer_check_row (check_id, row) where state = 'waiting';

create table receipt (                  -- that a signed receipt was given: who, when, for what
  id       text collate "C" primary key,
  employer text collate "C" not null references credential (id),
  request  bytea not null,               -- keyed digest of the question
  digest   bytea not null,               -- SHA-256 of what was signed
  given_at bigint not null
);

create table checked (                  -- how often an employer asked about a certificate on a day
  number   text collate "C" not null references certificate (number),
  employer text collate "C" not null references credential (id),
  kind     text not null check (kind in ('list', 'receipt')),
  day      text collate "C" not null,
  times    bigint not null,
  primary key (number, employer, kind, day)
);
create index checked_by_day on checked (day);

create table subscription (             -- a certificate that an employer wants to hear about
  employer text collate "C" not null references credential (id),
  number   text collate "C" not null references certificate (number),
  seq      bigint not null,            -- later ledger entries are told
  since    bigint not null,
  primary key (employer, number)
);
create index subscription_by_number on subscription (number);

create table webhook (                  -- an address of an employer that is told by itself
  id            text collate "C" primary key,
  employer      text collate "C" not null references credential (id),
  url           text not null,
  state         text not null check (state in ('unproven', 'active', 'parked')),
  created_at    bigint not null,
  cursor_seq    bigint not null,       -- what was told and answered
  cursor_number text collate "C" not null,
  failures      bigint not null,       -- in a row
  failing_since bigint,
  next_try_at   bigint not null
);
create index webhook_by_employer on webhook (employer, created_at);
create index webhook_due on webhook (next_try_at) where state = 'active';

create table webhook_delivery (         -- the last ones of each address
  webhook text collate "C" not null references webhook (id),
  nth     bigint not null,
  event   text collate "C" not null,
  at      bigint not null,
  outcome text not null,
  status  bigint,                      -- HTTP, if there was an answer
  took_ms bigint not null,
  primary key (webhook, nth)
);

create table duty (                     -- work that one process does for all, until then
  name   text collate "C" primary key,
  holder text collate "C" not null,
  until  bigint not null
);

create table share (                    -- a link that a holder gave away
  id           text collate "C" primary key,
  tag          bytea not null unique,    -- keyed digest of its code
  number       text collate "C" not null references certificate (number),
  sealed       bytea not null,           -- code and label
  created_at   bigint not null,
  expires_at   bigint not null,
  withdrawn_at bigint
);
create index share_by_number on share (number, created_at);

create table unlisted (                 -- what a search by person does not show, as its holder wishes
  number text collate "C" primary key references certificate (number),
  tag    bytea not null,                 -- the person's in the blind index
  since  bigint not null
);

create table visit (                    -- how often somebody came as a certificate's holder on a day, and for what
  number text collate "C" not null references certificate (number),
  kind   text not null check (kind in ('sign-in', 'document', 'picture')),
  day    text collate "C" not null,
  times  bigint not null,
  primary key (number, kind, day)
);
create index visit_by_day on visit (day);

create table ended_session (            -- a holder's session that its holder ended before its time
  tag   bytea primary key,             -- keyed digest of its text
  until bigint not null                -- its time; nothing is to be known of it later
);

create table case_file (                -- what somebody told the desk: a report, or an objection to a certificate
  id         text collate "C" primary key,   -- begins with its instant: ids are in order of arrival
  tag        bytea not null unique,      -- keyed digest of the receipt
  kind       text not null check (kind in ('report', 'objection')),
  matter     text not null,
  number     text collate "C" references certificate (number),  -- of an objection by its holder
  agency     text collate "C" references agency (code),         -- in whose queue it stands beside the operator's
  state      text not null check (state in ('received', 'accepted', 'answered', 'closed')),
  created_at bigint not null,
  due_at     bigint,
  settled_at bigint,                   -- since when it is answered or closed
  sealed     bytea not null,             -- what was told
  check ((state in ('answered', 'closed')) = (settled_at is not null))
);
create index case_file_by_state on case_file (state, id);
create index case_file_by_agency on case_file (agency, state, id) where agency is not null;
create index case_file_by_number on case_file (number, id) where number is not null;

create table case_picture (             -- what a report shows, made anew from what was sent
  case_id text collate "C" primary key references case_file (id),
  sealed  bytea not null
);

create table case_event (               -- who did what about a case, and when; goes with its case, never before
  case_id text collate "C" not null references case_file (id),
  nth     bigint not null,
  at      bigint not null,
  actor   text not null,
  role    text not null check (role in ('public', 'holder', 'agency', 'operator', 'system')),
  event   text not null check (event in ('received', 'accepted', 'assigned', 'answered', 'closed')),
  request bytea not null,                -- keyed digest of the request
  sealed  bytea,                         -- the answer, or a note
  primary key (case_id, nth)
);

create table imitation_site (           -- a site that imitates this one; each listing is a row of its own, for ever
  domain     text collate "C" not null,
  added_at   bigint not null,
  added_by   text not null,
  seen_on    text not null,
  note       text not null,
  removed_at bigint,
  removed_by text,
  primary key (domain, added_at),
  check ((removed_at is null) = (removed_by is null))
);
create unique index imitation_site_listed on imitation_site (domain) where removed_at is null;

-- What the database itself refuses, whoever asks: the ledger is append-only, nothing goes back.

create function refuse() returns trigger language plpgsql as
$$ begin raise exception '%', tg_argv[0] using errcode = 'check_violation'; end $$;

create function refuse_gap() returns trigger language plpgsql as $$
begin
  if new.seq < 1 or (new.seq > 1 and not exists (select 1 from event where seq = new.seq - 1)) then
    raise exception 'the ledger has no gaps' using errcode = 'check_violation';
  end if;
  return new;
end $$;

create function refuse_head() returns trigger language plpgsql as $$
begin
  if new.seq <= old.seq or not exists (select 1 from event where seq = new.seq and hash = new.hash) then
    raise exception 'the ledger head follows its events' using errcode = 'check_violation';
  end if;
  return new;
end $$;

create function refuse_certificate() returns trigger language plpgsql as $$
begin
  if new.revision < old.revision or new.seq < old.seq or new.current_copy < old.current_copy then
    raise exception 'a certificate never goes back' using errcode = 'check_violation';
  end if;
  -- The arrows of certificate/status.py; suspended>replaced is walked through a suspension that has lapsed.
  if new.status <> old.status and old.status || '>' || new.status not in
    ('prepared>valid', 'prepared>void', 'valid>suspended', 'suspended>valid',
     'valid>revoked', 'suspended>revoked', 'valid>replaced', 'suspended>replaced') then
    raise exception 'this change of status is not allowed' using errcode = 'check_violation';
  end if;
  return new;
end $$;

create function refuse_case() returns trigger language plpgsql as $$
begin
  if new.state <> old.state and old.state || '>' || new.state not in
    ('received>accepted', 'received>answered', 'received>closed', 'accepted>answered', 'accepted>closed', 'answered>closed')
    or new.sealed <> old.sealed or new.tag <> old.tag then
    raise exception 'a case does not go back' using errcode = 'check_violation';
  end if;
  return new;
end $$;

create function refuse_case_event() returns trigger language plpgsql as $$
begin
  if exists (select 1 from case_file where id = old.case_id and state <> 'closed') then
    raise exception 'what was done about a case stays' using errcode = 'check_violation';
  end if;
  return old;
end $$;

create trigger event_is_append_only before update or delete on event
  for each row execute function refuse('the ledger is append-only');
create trigger event_is_kept before truncate on event execute function refuse('the ledger is append-only');
create trigger event_is_gap_free before insert on event for each row execute function refuse_gap();
create trigger head_only_advances before update of seq, hash on ledger_head for each row execute function refuse_head();
create trigger head_stays before delete on ledger_head
  for each row execute function refuse('the ledger head stays');
create trigger head_is_kept before truncate on ledger_head execute function refuse('the ledger head stays');
create trigger counter_never_goes_back before update on counter
  for each row when (new.next < old.next) execute function refuse('a spent number is not given back');
create trigger counter_stays before delete on counter
  for each row execute function refuse('a spent number is not given back');
create trigger certificate_arrows before update on certificate
  for each row execute function refuse_certificate();
create trigger document_is_kept before update of number, copy, kind, part, sealed, digest on document
  for each row execute function refuse('a kept file is not changed');
create trigger stand_in_arrows before update on stand_in
  for each row when (old.state = 'refused' or new.state = 'waiting' or new.sealed <> old.sealed or new.tag <> old.tag)
  execute function refuse('a stand-in does not change');
create trigger stand_in_stays before delete on stand_in
  for each row execute function refuse('a stand-in is never deleted');
create trigger certificate_stays before delete on certificate
  for each row execute function refuse('a certificate is never deleted');
create trigger copy_is_signed_once before update on copy
  for each row when (old.token is not null) execute function refuse('a copy is signed once');
create trigger copy_stays before delete on copy
  for each row execute function refuse('a copy is never deleted');
create trigger case_file_arrows before update on case_file for each row execute function refuse_case();
create trigger case_file_stays before delete on case_file
  for each row when (old.state <> 'closed') execute function refuse('an open case stays');
create trigger case_event_is_append_only before update on case_event
  for each row execute function refuse('what was done about a case stays');
create trigger case_event_stays before delete on case_event for each row execute function refuse_case_event();
create trigger imitation_site_is_kept before update on imitation_site
  for each row when (old.removed_at is not null or new.domain <> old.domain or new.note <> old.note
    or new.seen_on <> old.seen_on) execute function refuse('a listing is taken back once');
create trigger imitation_site_stays before delete on imitation_site
  for each row execute function refuse('a listing is never deleted');

create table lost (                     -- issued, as the ledger says, and not brought back by a restore
  number     text not null,
  copy       bigint not null,
  agency     text not null,
  issued_at  bigint not null,
  status     text not null check (status in ('valid', 'suspended', 'revoked', 'replaced')),  -- the ledger's last word
  until      bigint,
  settled_at bigint,                    -- since when the operator answers for it, and look-ups call it unknown
  settled_by text,
  primary key (number, copy),
  check ((settled_at is null) = (settled_by is null))
);
create function count_lost() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then update ledger_head set lost = lost + 1 where id = 1;
  else update ledger_head set lost = lost - 1 where id = 1;
  end if;
  return null;
end $$;
create trigger lost_is_counted after insert on lost
  for each row when (new.settled_at is null) execute function count_lost();
create trigger lost_is_settled after update on lost
  for each row when (old.settled_at is null and new.settled_at is not null) execute function count_lost();
create trigger lost_stays_settled before update on lost
  for each row when (old.settled_at is not null and new.settled_at is null)
  execute function refuse('what is settled stays settled');
create trigger lost_stays before delete on lost
  for each row execute function refuse('a lost certificate is never forgotten');

-- The lease of store/fence.py. `heartbeat` is replicated with everything else; `pulse` stays on this server and
-- is empty after a crash: what it says must be said anew.

create table heartbeat (
  id       bigint primary key check (id = 1),
  beat     bigint not null,
  lease_ms bigint not null check (lease_ms >= 0)   -- 0: no standby that could be promoted
);
insert into heartbeat (id, beat, lease_ms) values (1, 0, 0);

create unlogged table pulse (
  id    bigint primary key check (id = 1),
  begun bigint not null,
  heard bigint not null
);

create table schema_version (version bigint not null);

-- the genesis hash of proof/ledger.py
insert into ledger_head (id, seq, hash)
values (1, 0, '\x51ddf2cf2cc01f6fcbe737506bf5653a902ed766c9edeced9143404158ddc877');
