-- name: insert_agency
insert into agency (code, kind, name_zh, name_en, state, since, reason, contact)
values ($1, $2, $3, $4, 'active', $5, null, $6)

-- name: update_agency_state
update agency set state = $2, since = $3, reason = $4 where code = $1

-- name: find_agency
select code, kind, name_zh, name_en, state, since, reason, contact from agency where code = $1

-- name: list_agencies
select code, kind, name_zh, name_en, state, since, reason, contact from agency order by code

-- name: agency_states
select code, state from agency where code in {texts $1}

-- name: agency_names
select code, name_zh, name_en from agency where code in {texts $1}

-- name: insert_filing
insert into filing (id, agency, occupation_code, occupation_name, occupation_edition, levels, work_types,
                    from_on, to_on)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: end_filing
update filing set to_on = $2 where id = $1

-- name: find_filing
select id, agency, occupation_code, occupation_name, occupation_edition, levels, work_types, from_on, to_on
from filing where id = $1

-- name: list_filings
select id, agency, occupation_code, occupation_name, occupation_edition, levels, work_types, from_on, to_on
from filing where agency = $1 order by occupation_code, from_on, id

-- name: insert_credential
insert into credential (id, role, agency, name, secret_hash, created_at, revoked_at)
values ($1, $2, $3, $4, $5, $6, null)

-- name: revoke_credential
update credential set revoked_at = $2 where id = $1

-- name: find_credential
select id, role, agency, name, secret_hash, created_at, revoked_at, rotations, old_hash, old_until
from credential where id = $1

-- name: find_credentials
select id, role, agency, name, secret_hash, created_at, revoked_at, rotations, old_hash, old_until
from credential where id in {texts $1}

-- name: list_credentials
select id, role, agency, name, secret_hash, created_at, revoked_at, rotations, old_hash, old_until
from credential order by created_at, id

-- name: insert_signing_key
insert into signing_key (kid, owner, owner_zh, owner_en, purpose, alg, key_bytes, certificate, state, created_at,
                         active_from, active_to, compromised_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)

-- name: update_signing_key
update signing_key set state = $2, active_from = $3, active_to = $4, compromised_at = $5 where kid = $1

-- name: find_signing_key
select kid, owner, owner_zh, owner_en, purpose, alg, key_bytes, certificate, state, created_at, active_from,
       active_to, compromised_at
from signing_key where kid = $1

-- name: find_key_in_use
select kid, owner, owner_zh, owner_en, purpose, alg, key_bytes, certificate, state, created_at, active_from,
       active_to, compromised_at
from signing_key where owner = $1 and purpose = $2 and state = 'active'

-- name: list_signing_keys
select kid, owner, owner_zh, owner_en, purpose, alg, key_bytes, certificate, state, created_at, active_from,
       active_to, compromised_at
from signing_key order by created_at, kid

-- name: signing_key_states
select kid, state from signing_key where kid in {texts $1}

-- name: insert_trust_list
insert into trust_list (sequence, issued_at, document) values ($1, $2, $3)

-- name: put_revocation_list
insert into revocation_list (kid, made_at, document) values ($1, $2, $3)
on conflict (kid) do update set made_at = excluded.made_at, document = excluded.document
where excluded.made_at >= revocation_list.made_at

-- name: list_revocation_lists
select kid, made_at, document from revocation_list order by kid

-- name: last_trust_list
select sequence, issued_at, document from trust_list order by sequence desc limit 1
