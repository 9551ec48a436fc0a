-- A new secret for an API key that stays; see store/rotation.py.

-- name: rotate_credential
update credential set
  -- a restore lost the present one, and the one before goes on as it was to
  old_hash = case when length(secret_hash) = 0 and old_until = $3 then old_hash else secret_hash end,
  old_until = $3, secret_hash = $2, rotations = $4
where id = $1

-- name: end_old_secret
update credential set old_until = $2 where id = $1
