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
