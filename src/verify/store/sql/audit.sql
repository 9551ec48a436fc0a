-- name: list_counters
select prefix, next from counter order by prefix

-- name: events_of
select number, body from event where number in {texts $1} order by seq

-- name: copies_of
select number, copy, scan_code, cause, kid, issued_at, state, token, credential
from copy where number in {texts $1} order by number, copy

-- name: index_of_tags
select tag, number from finder where tag in {blobs $1}

-- name: audit_unlisted
select number from unlisted order by number

-- name: receipts_of
select id, employer, request, digest from receipt where id in {texts $1}

-- name: checks_of
select id, employer, request, created_at, done_at, total, found, missed, failed, digest
from employer_check where id in {texts $1}

-- name: audit_statement_counts
select (select count(*) from receipt), (select count(*) from employer_check),
       (select count(*) from employer_check where digest is not null)

-- name: page_signed_checks
select id, digest from employer_check where digest is not null and id > $1 order by id limit $2

-- name: page_pack_files
select name, body from pack_file where name > $1 order by name limit $2
