-- name: lock_head
select seq, hash from ledger_head where id = 1 {for update}

-- name: advance_head
update ledger_head set seq = $1, hash = $2 where id = 1

-- name: insert_event
insert into event (seq, kind, number, scope, body, hash) values ($1, $2, $3, $4, $5, $6)

-- postgres rows: insert_event
insert into event (seq, kind, number, scope, body, hash)
select * from unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[])

-- name: insert_event_note
insert into event_note (seq, sealed) values ($1, $2)

-- name: read_head
select seq, hash from ledger_head where id = 1

-- name: read_seq
select seq from ledger_head where id = 1

-- name: read_place
select seq, history, lost from ledger_head where id = 1

-- name: begin_history
update ledger_head set history = $1 where id = 1

-- name: read_changes
select seq, number, scope from event where seq > $1 order by seq limit $2

-- name: read_events
select seq, kind, number, scope, body, hash from event where seq > $1 order by seq limit $2

-- name: read_last_events
select seq, kind, number, scope, body, hash from event where seq > cast($1 as bigint) - cast($2 as bigint) order by seq

-- name: read_history
select e.seq, e.body, n.sealed from event e left join event_note n on n.seq = e.seq
where e.number = $1 order by e.seq

-- name: read_clock
select unixepoch('subsec')

-- postgres: read_clock
select extract(epoch from clock_timestamp())::float8
