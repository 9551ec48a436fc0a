-- name: find_document
select number, copy, kind, part, sealed, digest, due_at from document where number = $1 and copy = $2 and kind = $3
order by part

-- name: find_current_document
select c.agency, d.number, d.copy, d.kind, d.part, d.sealed, d.digest, d.due_at
from certificate c join document d on d.number = c.number and d.copy = c.current_copy and d.kind = $2
where c.number = $1 order by d.part

-- name: insert_document
insert into document (number, copy, kind, part, sealed, digest, due_at) values ($1, $2, $3, $4, $5, $6, $7)

-- name: documents_of
select number, copy, kind, part, digest from document where number in {texts $1} order by number, copy, kind, part

-- name: due_documents
select number, copy, kind, part, due_at from document where due_at <= $1 order by due_at, number limit $2

-- name: count_due_documents
select count(*) from document where due_at <= $1

-- name: set_document_due
update document set due_at = $5 where number = $1 and copy = $2 and kind = $3 and part = $4
