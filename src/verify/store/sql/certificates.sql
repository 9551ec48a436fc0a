-- name: find_idempotency
select key, request, result from idempotency where owner = $1 and key in {texts $2}

-- postgres: find_idempotency
select i.key, i.request, i.result
from unnest($2::text[]) as asked (key)
cross join lateral (select key, request, result from idempotency where owner = $1 and key = asked.key limit 1) i

-- name: insert_idempotency
insert into idempotency (owner, key, request, result) values ($1, $2, $3, $4)

-- postgres rows: insert_idempotency
insert into idempotency (owner, key, request, result)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::text[])

-- name: reuse_idempotency
update idempotency set result = $3 where owner = $1 and key = $2

-- name: find_void
select number from certificate where number in {texts $1} and status = 'void'

-- name: find_business
select business_tag, number, business_nth, status from certificate where business_tag in {blobs $1}
order by business_nth

-- name: find_taken
select number from certificate where number in {texts $1}

-- name: take_numbers
insert into counter (prefix, next) values ($1, 1 + $2)
on conflict (prefix) do update set next = counter.next + $2
returning next

-- name: skip_numbers
insert into counter (prefix, next) values ($1, $2)
on conflict (prefix) do update set next = {greatest counter.next, excluded.next}

-- name: insert_certificate
insert into certificate (number, agency, batch, face, holder_sealed, commitment, business_tag, business_nth,
                         status, revision, seq, since, reason, until, replaced_by, replaces, current_copy)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'prepared', 0, $9, $10, null, null, null, $11, 0)

-- postgres rows: insert_certificate
insert into certificate (number, agency, batch, face, holder_sealed, commitment, business_tag, business_nth,
                         status, revision, seq, since, reason, until, replaced_by, replaces, current_copy)
select number, agency, batch, face, holder_sealed, commitment, business_tag, business_nth,
       'prepared', 0, seq, since, null, null, null, replaces, 0
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bigint[],
            $9::bigint[], $10::bigint[], $11::text[])
     as fresh (number, agency, batch, face, holder_sealed, commitment, business_tag, business_nth, seq, since,
               replaces)

-- name: insert_copy
insert into copy (number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, state, token,
                  credential, pending)
values ($1, $2, $3, $4, $5, $6, $7, $8, 'prepared', null, null, $9)

-- postgres rows: insert_copy
insert into copy (number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, state, token,
                  credential, pending)
select number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, 'prepared', null, null, pending
from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[],
            $9::bytea[])
     as fresh (number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, pending)

-- name: insert_photo
insert into photo (number, copy, sealed) values ($1, $2, $3)

-- name: find_photo
select sealed from photo where number = $1 and copy <= $2 order by copy desc limit 1

-- name: insert_finder
insert into finder (tag, number) values ($1, $2) on conflict do nothing

-- postgres rows: insert_finder
insert into finder (tag, number) select * from unnest($1::bytea[], $2::text[]) on conflict do nothing

-- name: keep_unlisted
update unlisted set tag = $2 where number = $1

-- name: delete_finder
delete from finder where number = $1

-- name: unfinished_copies
select number, copy from copy where state = 'prepared' and issued_at <= $1 order by number, copy limit $2

-- name: read_prepared
select c.number, p.copy, p.scan_code, p.cause, p.kid, p.issued_at, p.blank_serial, p.remark, p.state, p.pending,
       c.agency, c.status, c.face, c.holder_sealed, c.commitment, c.replaces, c.revision, c.current_copy
from copy p join certificate c on c.number = p.number
where p.number in {texts $1} and p.copy = (select max(copy) from copy where number = p.number)

-- name: read_waiting
select p.number, p.copy, p.cause, p.kid, p.issued_at, p.state, c.agency, c.batch, c.status, c.commitment,
       c.replaces, c.revision
from copy p join certificate c on c.number = p.number
where p.number in {texts $1}

-- name: find_copy
select number, copy, scan_code, cause, kid, issued_at, blank_serial, remark, state, token, credential
from copy where number = $1 and copy = $2

-- name: complete_copy
update copy set state = 'issued', token = $3, credential = $4, pending = null where number = $1 and copy = $2

-- postgres rows: complete_copy
update copy p set state = 'issued', token = done.token, credential = done.credential, pending = null
from unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[]) as done (number, copy, token, credential)
where p.number = done.number and p.copy = done.copy

-- name: void_copy
update copy set state = 'void', pending = null where number = $1 and copy = $2

-- name: complete_certificate
update certificate set status = 'valid', revision = 1, seq = $2, since = $3, current_copy = 1 where number = $1

-- postgres rows: complete_certificate
update certificate c set status = 'valid', revision = 1, seq = done.seq, since = done.since, current_copy = 1
from unnest($1::text[], $2::bigint[], $3::bigint[]) as done (number, seq, since)
where c.number = done.number

-- name: void_certificate
update certificate set status = 'void', seq = $2 where number = $1

-- name: renew_certificate
update certificate set revision = revision + 1, seq = $2, current_copy = $3 where number = $1

-- name: correct_certificate
update certificate set face = $2, holder_sealed = $3, commitment = $4 where number = $1

-- name: retag_certificate
update certificate set business_tag = $2, business_nth = $3 where number = $1

-- name: change_certificate
update certificate set status = $2, revision = revision + 1, seq = $3, since = $4, reason = $5, until = $6,
                       replaced_by = $7
where number = $1

-- name: read_certificates
select number, face, status, revision, seq, since, reason, until, replaced_by, replaces, current_copy,
       holder_sealed
from certificate where number in {texts $1}

-- name: read_faces
select number, face, status, revision, since, reason, until, agency
from certificate where number in {texts $1} and current_copy > 0

-- name: read_copies
select number, copy, scan_code, cause, kid, issued_at, blank_serial, remark
from copy where number in {texts $1} and state = 'issued'

-- name: read_state
select number, agency, status, revision, until, reason, current_copy, commitment, replaced_by, batch
from certificate where number in {texts $1}

-- name: read_issued_copies
select number, copy, scan_code, kid, issued_at, token, credential
from copy where number in {texts $1} and state = 'issued'

-- name: find_scan_codes
select scan_code, number from copy where scan_code in {texts $1} and state = 'issued'

-- name: find_tags
select f.tag, f.number from finder f left join unlisted u on u.number = f.number and u.tag = f.tag
where f.tag in {blobs $1} and u.number is null order by f.tag, f.number

-- name: batch_numbers
select number from certificate where agency = $1 and batch = $2 and status in ('valid', 'suspended')
order by number

-- name: certificate_page
select number, agency, status, revision, seq, since, reason, until, replaced_by, replaces, current_copy,
       commitment, holder_sealed, face
from certificate where number > $1 order by number limit $2

-- name: copy_page
select number, copy, scan_code, cause, kid, issued_at, state, token, credential
from copy where (number, copy) > ($1, $2) order by number, copy limit $3
