-- name: list_imitations
select domain, added_at, added_by, seen_on, note, removed_at, removed_by from imitation_site
where removed_at is null order by added_at desc, domain

-- name: find_imitation
select domain, added_at, added_by, seen_on, note, removed_at, removed_by from imitation_site
where domain = $1 and removed_at is null

-- name: insert_imitation
insert into imitation_site (domain, added_at, added_by, seen_on, note, removed_at, removed_by)
values ($1, $2, $3, $4, $5, null, null)

-- name: remove_imitation
update imitation_site set removed_at = $2, removed_by = $3 where domain = $1 and removed_at is null
