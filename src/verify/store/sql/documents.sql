-- name: find_document
select number, copy, kind, sealed, digest from document where number = $1 and copy = $2 and kind = $3

-- name: insert_document
insert into document (number, copy, kind, sealed, digest) values ($1, $2, $3, $4, $5)

-- name: documents_of
select number, copy, kind, digest from document where number in {texts $1} order by number, copy, kind
