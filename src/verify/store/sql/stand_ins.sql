-- name: insert_stand_in
insert into stand_in (id, agency, tag, sealed, state, filed_by, filed_at) values ($1, $2, $3, $4, 'waiting', $5, $6)

-- name: find_stand_in
select id, agency, tag, sealed, state, filed_by, filed_at, decided_by, decided_at from stand_in where id = $1

-- name: find_stand_in_of
select id from stand_in where agency = $1 and tag = $2 and state <> 'refused'

-- name: list_stand_ins
select id, agency, tag, sealed, state, filed_by, filed_at, decided_by, decided_at from stand_in where agency = $1
order by filed_at, id

-- name: decide_stand_in
update stand_in set state = $2, decided_by = $3, decided_at = $4 where id = $1
