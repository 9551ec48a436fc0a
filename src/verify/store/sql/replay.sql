-- What a restored register is told of the time after its backup; see store/replay.py.

-- name: replay_status
update certificate set status = $2, revision = $3, seq = $4, since = $5, reason = $6, until = $7, replaced_by = $8
where number = $1

-- name: replay_copy
update certificate set revision = $2, seq = $3, current_copy = $4 where number = $1

-- name: replay_void_copy
insert into copy (number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, state, token,
                  credential, pending)
values ($1, $2, $3, $4, $5, $6, null, null, 'void', null, null, null)

-- name: replay_void_later
update copy set state = 'void', pending = null where number = $1 and copy = $2 and state = 'prepared'

-- name: replay_agency
insert into agency (code, kind, name_zh, name_en, state, since, reason, contact)
values ($1, $2, $3, $4, 'active', $5, null, null)
on conflict (code) do nothing

-- name: insert_lost
insert into lost (number, copy, agency, issued_at, status, until, settled_at, settled_by)
values ($1, $2, $3, $4, $5, $6, null, null)
on conflict (number, copy) do nothing

-- name: change_lost
update lost set status = $2, until = $3 where number = $1

-- name: settle_lost
update lost set settled_at = $2, settled_by = $3 where number = $1 and settled_at is null

-- name: find_lost
select number from lost where number in {texts $1} and copy = 1 and settled_at is null

-- name: list_lost
select number, copy, agency, issued_at, status, until, settled_at, settled_by from lost order by number, copy

-- name: find_spent
select number from certificate where number in {texts $1} union select number from lost where number in {texts $1}

-- name: find_settled
select number from lost where number in {texts $1} and copy = 1 and settled_at is not null
