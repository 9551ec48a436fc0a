-- name: list_not_valid
select number, status from certificate
where status <> 'valid' and status <> 'prepared' and (until is null or until > $1) and number > $2
order by number limit $3

-- name: insert_pack_file
insert into pack_file (name, body, made_at) values ($1, $2, $3) on conflict do nothing

-- name: insert_pack_manifest
insert into pack_manifest (seq, issued_at, pack, document) values ($1, $2, $3, $4) on conflict do nothing

-- name: last_pack_manifest
select seq, issued_at, pack, document from pack_manifest order by seq desc, issued_at desc limit 1

-- name: last_packs
select f.body from pack_manifest m join pack_file f on f.name = m.pack
order by m.seq desc, m.issued_at desc limit $1

-- name: find_pack_file
select body from pack_file where name = $1

-- name: delete_pack_files
delete from pack_file where made_at < $1

-- name: delete_pack_manifests
delete from pack_manifest where issued_at < $1
