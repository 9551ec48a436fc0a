-- name: list_not_valid
select number, status from certificate
where status <> 'valid' and status <> 'prepared' and (until is null or until > $1) and number > $2
order by number limit $3
