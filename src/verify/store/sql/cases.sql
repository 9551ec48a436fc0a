-- name: insert_case
insert into case_file (id, tag, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed)
values ($1, $2, $3, $4, $5, $6, 'received', $7, $8, null, $9)

-- name: insert_case_picture
insert into case_picture (case_id, sealed) values ($1, $2)

-- name: insert_case_event
insert into case_event (case_id, nth, at, actor, role, event, request, sealed)
values ($1, $2, $3, $4, $5, $6, $7, $8)

-- name: count_cases_since
select count(*) from case_file where kind = $1 and id > $2

-- name: count_open_objections
select count(*) from case_file where number = $1 and state in ('received', 'accepted')

-- name: find_case
select id, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed from case_file where id = $1

-- name: find_case_by_tag
select id, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed from case_file where tag = $1

-- name: find_case_picture
select sealed from case_picture where case_id = $1

-- name: count_case_pictures
select count(*) from case_picture where case_id = $1

-- name: list_case_events
select nth, at, actor, role, event, sealed from case_event where case_id = $1 order by nth

-- name: list_cases
select id, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed from case_file
where state in {texts $1} and kind in {texts $2} and id > $3 order by id limit $4

-- name: list_cases_of_agency
select id, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed from case_file
where agency = $5 and state in {texts $1} and kind in {texts $2} and id > $3 order by id limit $4

-- name: list_cases_of_number
select id, kind, matter, number, agency, state, created_at, due_at, settled_at, sealed from case_file
where number = $1 order by id desc limit $2

-- name: count_waiting_cases
select count(*), coalesce(sum(case when due_at <= $1 then 1 else 0 end), 0) from case_file
where state in ('received', 'accepted')

-- name: move_case
update case_file set state = $2, settled_at = $3 where id = $1

-- name: assign_case
update case_file set agency = $2 where id = $1

-- name: list_settled_cases
select id from case_file where state = $1 and settled_at < $2 order by id limit $3

-- name: drop_case_pictures
delete from case_picture where case_id in {texts $1}

-- name: drop_case_events
delete from case_event where case_id in {texts $1}

-- name: drop_cases
delete from case_file where id in {texts $1}
