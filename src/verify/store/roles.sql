-- Two roles without a login of their own: `grant verify_office to LOGIN` makes a login an office node's.
-- Neither owns a table, so neither can switch a trigger off; neither can change or delete the ledger.

do $$
begin
  if not exists (select 1 from pg_roles where rolname = 'verify_office') then create role verify_office; end if;
  if not exists (select 1 from pg_roles where rolname = 'verify_public') then create role verify_public; end if;
end $$;

revoke all on all tables in schema public from public, verify_office, verify_public;
grant usage on schema public to verify_office, verify_public;

grant select on all tables in schema public to verify_office;
grant insert on
  event, event_note, agency, filing, credential, signing_key, trust_list, revocation_list, counter, certificate, copy,
  photo, document, stand_in, finder, idempotency, batch, batch_row, proposal, pack_file, pack_manifest,
  employer_check, employer_check_row, receipt, checked, share, unlisted, visit, ended_session,
  case_file, case_picture, case_event, imitation_site, subscription, webhook, webhook_delivery, duty, lost
to verify_office;
grant update on
  ledger_head, agency, filing, credential, signing_key, counter, certificate, copy, batch, batch_row, proposal,
  employer_check, employer_check_row, checked, share, unlisted, visit, case_file, imitation_site, webhook, duty, lost
to verify_office;
grant delete on
  finder, batch_row, pack_file, pack_manifest, employer_check_row, checked, unlisted, visit, ended_session, case_file,
  case_picture, case_event, subscription, webhook, webhook_delivery
to verify_office;
grant update (beat) on heartbeat to verify_office;
grant update (due_at) on document to verify_office;
grant update (state, decided_by, decided_at) on stand_in to verify_office;
grant update (made_at, document) on revocation_list to verify_office;
grant insert, update on pulse to verify_office;

grant select on
  ledger_head, event, agency, filing, signing_key, trust_list, revocation_list, counter, certificate, copy, finder, schema_version,
  pack_file, pack_manifest, heartbeat, pulse, receipt, share, unlisted, imitation_site, lost
to verify_public;
grant select (number, copy, kind, part, digest) on document to verify_public;
grant select (id, done_at, total, found, missed, failed, digest) on employer_check to verify_public;
