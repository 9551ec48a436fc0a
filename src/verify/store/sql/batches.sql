-- name: insert_batch
insert into batch (id, agency, actor, created_at, state, total, issued, failed)
values ($1, $2, $3, $4, 'receiving', 0, 0, 0)

-- name: insert_batch_row
insert into batch_row (batch, row, state, sealed, number, faults) values ($1, $2, $3, $4, null, $5)

-- name: clear_batch_rows
delete from batch_row where batch = $1

-- name: delete_batch
delete from batch where id = $1 and state = 'receiving'

-- name: broken_uploads
select id from batch where state = 'receiving' and created_at < $1 order by id

-- name: ready_batch
update batch set state = 'ready', total = $2, failed = $3 where id = $1

-- name: count_batch
update batch set issued = issued + $2, failed = failed + $3,
                 state = case when issued + failed + $2 + $3 >= total then 'done' else state end
where id = $1

-- name: finish_batch_row
update batch_row set state = $3, number = $4, faults = $5, sealed = null
where batch = $1 and row = $2 and state = 'waiting'

-- name: find_batch
select id, agency, actor, created_at, state, total, issued, failed from batch where id = $1

-- name: ready_batches
select id, agency, actor, created_at, state, total, issued, failed from batch where state = 'ready'
order by created_at, id

-- name: still_waiting
select row from batch_row where batch = $1 and state = 'waiting' and row in {ints $2}

-- name: waiting_rows
select row, sealed from batch_row where batch = $1 and state = 'waiting' order by row limit $2

-- name: batch_rows
select row, state, number, faults from batch_row where batch = $1 and row > $2 and state in {texts $3}
order by row limit $4

-- name: insert_proposal
insert into proposal (id, agency, reason, numbers, proposed_by, proposed_at, note_sealed, state, decided_by,
                      decided_at)
values ($1, $2, $3, $4, $5, $6, $7, 'waiting', null, null)

-- name: find_proposal
select id, agency, reason, numbers, proposed_by, proposed_at, note_sealed, state, decided_by, decided_at
from proposal where id = $1

-- name: decide_proposal
update proposal set state = $2, decided_by = $3, decided_at = $4 where id = $1
