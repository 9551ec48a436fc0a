-- name: insert_subscription
insert into subscription (employer, number, seq, since) values ($1, $2, $3, $4)

-- name: count_subscriptions
select count(*), coalesce(min(seq), 0) from subscription where employer = $1

-- name: find_subscribed
select number from subscription where employer = $1 and number in {texts $2}

-- name: list_subscriptions
select number, seq, since from subscription where employer = $1 and number > $2 order by number limit $3

-- name: delete_subscription
delete from subscription where employer = $1 and number = $2

-- name: subscribed_changes_near
select e.seq, e.number, e.kind from event e cross join subscription s
where e.seq > $2 and s.employer = $1 and s.number = e.number and e.seq > s.seq
  and e.kind in ('copy-issued', 'suspended', 'suspension-ended', 'reinstated', 'revoked', 'replaced')
order by e.seq limit $3

-- name: subscribed_changes_far
select e.seq, e.number, e.kind from subscription s cross join event e
where s.employer = $1 and e.number = s.number and e.seq > $2 and e.seq > s.seq
  and e.kind in ('copy-issued', 'suspended', 'suspension-ended', 'reinstated', 'revoked', 'replaced')
order by e.seq limit $3

-- name: scope_changes
select seq, kind, scope, body from event
where seq >= $1 and kind in ('agency-changed', 'key-changed') order by seq limit $2

-- name: subscribed_of_agency
select s.number from subscription s join certificate c on c.number = s.number
where s.employer = $1 and s.seq < $2 and s.number > $3 and c.agency = $4 order by s.number limit $5

-- name: subscribed_of_key
select distinct s.number from subscription s join copy c on c.number = s.number
where s.employer = $1 and s.seq < $2 and s.number > $3 and c.kid = $4 and c.state = 'issued'
order by s.number limit $5

-- name: lives_until
select number, seq, kind, body from event
where number in {texts $1} and seq <= $2
  and kind in ('issued', 'copy-issued', 'suspended', 'suspension-ended', 'reinstated', 'revoked', 'replaced')
order by number, seq

-- name: ended_suspensions
select c.number, c.revision, c.until, c.seq from certificate c
where c.until > $1 and c.until <= $2 and c.status = 'suspended'
  and exists (select 1 from subscription s where s.number = c.number and s.since < c.until)
  and not exists (select 1 from event e
                  where e.number = c.number and e.seq > c.seq and e.kind = 'suspension-ended')
order by c.until, c.number limit $3

-- name: insert_webhook
insert into webhook (id, employer, url, state, created_at, cursor_seq, cursor_number, failures, failing_since,
                     next_try_at)
values ($1, $2, $3, 'unproven', $4, $5, '', 0, null, 0)

-- name: find_webhook
select id, employer, url, state, created_at, cursor_seq, cursor_number, failures, failing_since, next_try_at
from webhook where id = $1

-- name: list_webhooks
select id, employer, url, state, created_at, cursor_seq, cursor_number, failures, failing_since, next_try_at
from webhook where employer = $1 order by created_at, id

-- name: due_webhooks
select w.id, w.employer, w.url, w.state, w.created_at, w.cursor_seq, w.cursor_number, w.failures,
       w.failing_since, w.next_try_at
from webhook w join credential c on c.id = w.employer
where w.state = 'active' and w.next_try_at <= $1 and c.revoked_at is null
order by w.next_try_at, w.id limit $2

-- name: update_webhook
update webhook
set state = $2, cursor_seq = $3, cursor_number = $4, failures = $5, failing_since = $6, next_try_at = $7
where id = $1

-- name: delete_webhook
delete from webhook where id = $1

-- name: last_delivery
select coalesce(max(nth), 0) from webhook_delivery where webhook = $1

-- name: insert_delivery
insert into webhook_delivery (webhook, nth, event, at, outcome, status, took_ms)
values ($1, $2, $3, $4, $5, $6, $7)

-- name: delete_deliveries
delete from webhook_delivery where webhook = $1 and nth <= $2

-- name: list_deliveries
select nth, event, at, outcome, status, took_ms from webhook_delivery where webhook = $1 order by nth desc limit $2

-- name: find_duty
select holder, until from duty where name = $1

-- name: set_duty
insert into duty (name, holder, until) values ($1, $2, $3)
on conflict (name) do update set holder = excluded.holder, until = excluded.until
