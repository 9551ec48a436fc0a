-- name: count_finders
select count(*) from finder where number = $1 and tag in {blobs $2}

-- name: insert_share
insert into share (id, tag, number, sealed, created_at, expires_at, withdrawn_at)
values ($1, $2, $3, $4, $5, $6, null)

-- name: find_share
select id, number, sealed, created_at, expires_at, withdrawn_at from share where tag = $1

-- name: list_shares
select id, number, sealed, created_at, expires_at, withdrawn_at from share where number = $1
order by created_at desc, id limit $2

-- name: count_open_shares
select count(*) from share where number = $1 and withdrawn_at is null and expires_at > $2

-- name: withdraw_share
update share set withdrawn_at = $2 where id = $1 and withdrawn_at is null

-- name: find_unlisted
select since from unlisted where number = $1

-- name: insert_unlisted
insert into unlisted (number, tag, since) values ($1, $2, $3) on conflict do nothing

-- name: delete_unlisted
delete from unlisted where number = $1

-- name: count_visit
insert into visit (number, kind, day, times) values ($1, $2, $3, 1)
on conflict (number, kind, day) do update set times = visit.times + 1

-- name: checks_of_number
select day, kind, cast(sum(times) as bigint) from checked where number = $1 group by day, kind
union all select day, kind, times from visit where number = $1
order by 1 desc, 2 limit $2

-- name: drop_visits
delete from visit where (number, kind, day) in (select number, kind, day from visit where day < $1 limit $2)
returning day

-- name: drop_checked
delete from checked
where (number, employer, kind, day) in (select number, employer, kind, day from checked where day < $1 limit $2)
returning day

-- name: end_session
insert into ended_session (tag, until) values ($1, $2) on conflict do nothing

-- name: find_ended_session
select until from ended_session where tag = $1

-- name: delete_ended_sessions
delete from ended_session where until < $1
