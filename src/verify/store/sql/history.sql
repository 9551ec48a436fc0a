-- name: read_turns
select number, kind, body from event
where number in {texts $1} and kind in ('issued', 'copy-issued', 'suspended', 'reinstated', 'revoked', 'replaced')
order by number, seq
