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
