-- name: insert_employer_check
insert into employer_check (id, employer, key, request, created_at, done_at, total, found, missed, failed)
values ($1, $2, $3, $4, $5, null, $6, 0, 0, $7)

-- name: insert_employer_check_row
insert into employer_check_row (check_id, row, state, sealed) values ($1, $2, $3, $4)

-- name: find_employer_check
select id, employer, created_at, done_at, total, found, missed, failed, request from employer_check where id = $1

-- name: find_employer_check_by_key
select id, request from employer_check where employer = $1 and key = $2

-- name: employer_rows_since
select coalesce(sum(total), 0), min(created_at) from employer_check where employer = $1 and created_at > $2

-- name: unfinished_employer_checks
select id, employer, created_at, done_at, total, found, missed, failed, request from employer_check
where done_at is null order by created_at, id

-- name: waiting_questions
select row, sealed from employer_check_row where check_id = $1 and state = 'waiting' order by row limit $2

-- name: questions_still_waiting
select row from employer_check_row where check_id = $1 and state = 'waiting' and row in {ints $2}

-- name: answer_question
update employer_check_row set state = $3, sealed = $4 where check_id = $1 and row = $2 and state = 'waiting'

-- name: count_employer_check
update employer_check
set found = found + $2, missed = missed + $3, failed = failed + $4,
    done_at = case when found + missed + failed + $2 + $3 + $4 >= total then $5 else done_at end
where id = $1

-- name: employer_check_rows
select row, state, sealed from employer_check_row where check_id = $1 and row > $2 order by row limit $3

-- name: keep_check_digest
update employer_check set digest = $2 where id = $1 and digest is null

-- name: find_signed_check
select done_at, total, found, missed, failed, digest from employer_check where id = $1

-- name: drop_employer_check_rows
delete from employer_check_row
where check_id in (select id from employer_check where done_at is not null and done_at < $1)

-- name: insert_receipt
insert into receipt (id, employer, request, digest, given_at) values ($1, $2, $3, $4, $5)

-- name: find_receipt
select id, employer, digest, given_at from receipt where id = $1

-- name: count_checked
insert into checked (number, employer, kind, day, times) values ($1, $2, $3, $4, $5)
on conflict (number, employer, kind, day) do update set times = checked.times + excluded.times
