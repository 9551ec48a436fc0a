"""Programs for who is told: subscriptions of employers, the addresses they gave, and how deliveries went."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.errors import Conflict, NotFound, Words
from verify.store.contract import Program, Row, run, run_many
from verify.store.journal import EventKind, Origin, from_micros, open_journal, to_micros
from verify.store.notices import Place

KEPT_DELIVERIES = 100
"""Of each address, the last ones."""


class Subscription(msgspec.Struct, frozen=True):
    """A certificate that an employer hears about."""

    number: str
    seq: int
    """Later ledger entries are told."""
    since: dt.datetime


class Subscribed(msgspec.Struct, frozen=True):
    """What became of a wish to hear of certificates."""

    added: int
    known: int
    """Of those asked for, subscribed to before."""
    total: int


class Webhook(msgspec.Struct, frozen=True):
    """An address of an employer."""

    id: str
    employer: str
    url: str
    state: str
    """`unproven` until it has echoed a challenge, `active`, `parked` when it did not answer for days."""
    created_at: dt.datetime
    told: Place
    """Everything up to here was delivered and answered."""
    failures: int
    """In a row."""
    failing_since: dt.datetime | None
    next_try_at: dt.datetime


class Delivery(msgspec.Struct, frozen=True):
    """One request to an address and what came of it."""

    event: str
    """Id of the event; `ping` or `challenge`."""
    at: dt.datetime
    outcome: str
    status: int | None
    took_ms: int


# --- subscriptions ----------------------------------------------------------------------------------------


def subscribe(employer: str, numbers: Sequence[str], limit: int, origin: Origin) -> Program[Subscribed]:
    """Tell the employer of changes after this commit. Raises Conflict past `limit` certificates, and adds none."""
    wanted = sorted(set(numbers))
    known = {number for (number,) in (yield from run("find_subscribed", employer, wanted))}
    fresh = [number for number in wanted if number not in known]
    ((count, _),) = yield from run("count_subscriptions", employer)
    if count + len(fresh) > limit:
        what = Words(f"最多可订阅{limit}份证书。", f"At most {limit} certificates can be subscribed to.")
        raise Conflict(what)
    if fresh:
        seq = yield from _changed(
            origin, EventKind.SUBSCRIPTIONS_CHANGED, {"added": len(fresh), "removed": 0}
        )
        at = to_micros(origin.at)
        yield from run_many("insert_subscription", [(employer, number, seq, at) for number in fresh])
    return Subscribed(len(fresh), len(known), int(count) + len(fresh))


def unsubscribe(employer: str, number: str, origin: Origin) -> Program[None]:
    """Tell the employer no more of it. Raises NotFound."""
    if not (yield from run("find_subscribed", employer, [number])):
        raise NotFound(Words("未订阅该证书。", "This certificate is not subscribed to."))
    yield from run("delete_subscription", employer, number)
    yield from _changed(origin, EventKind.SUBSCRIPTIONS_CHANGED, {"added": 0, "removed": 1})


def list_subscriptions(employer: str, after: str, limit: int) -> Program[list[Subscription]]:
    """A page in the order of numbers."""
    rows = yield from run("list_subscriptions", employer, after, limit)
    return [Subscription(number, seq, from_micros(since)) for number, seq, since in rows]


# --- addresses --------------------------------------------------------------------------------------------


def add_webhook(hook: Webhook, limit: int, origin: Origin) -> Program[Webhook]:
    """Keep an address; nothing is sent to it before it is proven. Raises Conflict past `limit` addresses."""
    hooks = yield from list_webhooks(hook.employer)
    if len(hooks) >= limit:
        what = Words(f"最多可登记{limit}个回调地址。", f"At most {limit} webhooks; delete one first.")
        raise Conflict(what)
    seq = yield from _changed(origin, EventKind.WEBHOOK_CHANGED, {"id": hook.id, "to": "made"})
    yield from run("insert_webhook", hook.id, hook.employer, hook.url, to_micros(hook.created_at), seq)
    return msgspec.structs.replace(hook, told=Place(seq))


def find_webhook(hook_id: str, employer: str) -> Program[Webhook]:
    """One address. Raises NotFound, for another employer's too."""
    rows = yield from run("find_webhook", hook_id)
    if not rows or rows[0][1] != employer:
        raise NotFound(Words("没有该回调地址。", "There is no such webhook."))
    return _webhook(rows[0])


def list_webhooks(employer: str) -> Program[list[Webhook]]:
    """The addresses of an employer, oldest first."""
    return [_webhook(row) for row in (yield from run("list_webhooks", employer))]


def delete_webhook(hook_id: str, employer: str, origin: Origin) -> Program[None]:
    """Forget an address and its deliveries. Raises NotFound."""
    hook = yield from find_webhook(hook_id, employer)
    ((nth,),) = yield from run("last_delivery", hook.id)
    yield from run("delete_deliveries", hook.id, nth)
    yield from run("delete_webhook", hook.id)
    yield from _changed(origin, EventKind.WEBHOOK_CHANGED, {"id": hook.id, "to": "deleted"})


def set_webhook(
    hook_id: str, employer: str, origin: Origin, *, told: Place | None = None, activate: bool = False
) -> Program[Webhook]:
    """Begin to deliver to an address that has just proven itself, or deliver again from `told` on.

    Raises NotFound; Conflict for an address that has proven nothing, or a place that the ledger has not reached.
    """
    hook = yield from find_webhook(hook_id, employer)
    if hook.state == "unproven" and not activate:
        what = Words("该地址尚未激活。", "This webhook is not activated yet.")
        raise Conflict(what)
    ((head,),) = yield from run("read_seq")
    if told is not None and told.seq > head:
        raise Conflict(Words("游标超出台账末尾。", "The ledger has not come that far."))
    made = msgspec.structs.replace(
        hook, state="active", told=told or hook.told, failures=0, failing_since=None, next_try_at=origin.at
    )
    yield from _write(made)
    to = "active" if told is None else "replayed"
    yield from _changed(origin, EventKind.WEBHOOK_CHANGED, {"id": hook.id, "to": to})
    return made


def due_webhooks(at: dt.datetime, limit: int) -> Program[list[Webhook]]:
    """Active addresses, of employers whose key still counts, that may be tried at `at`."""
    return [_webhook(row) for row in (yield from run("due_webhooks", to_micros(at), limit))]


# --- deliveries -------------------------------------------------------------------------------------------


def record_delivery(hook: Webhook, delivery: Delivery, then: Webhook) -> Program[bool]:
    """Keep what came of one request, and what the address is like now, in one commit.

    False, and no more than the delivery is kept, when somebody else changed the address meanwhile: a replay or
    another process. The event is then delivered again.
    """
    rows = yield from run("find_webhook", hook.id)
    if not rows:
        return False
    yield from keep_delivery(hook.id, delivery)
    now = _webhook(rows[0])
    if (now.told, now.state) != (hook.told, hook.state):
        return False
    yield from _write(then)
    return True


def reach_webhook(hook: Webhook, place: Place) -> Program[None]:
    """Move the place of an address over a stretch of the ledger with nothing to tell; nothing when it changed."""
    rows = yield from run("find_webhook", hook.id)
    now = _webhook(rows[0]) if rows else None
    if now is not None and (now.told, now.state) == (hook.told, hook.state):
        yield from _write(msgspec.structs.replace(now, told=place))


def keep_delivery(hook_id: str, delivery: Delivery) -> Program[None]:
    """One line more; the oldest goes."""
    ((last,),) = yield from run("last_delivery", hook_id)
    nth = int(last) + 1
    yield from run("insert_delivery", hook_id, nth, delivery.event, to_micros(delivery.at), delivery.outcome,
                   delivery.status, delivery.took_ms)  # fmt: skip
    yield from run("delete_deliveries", hook_id, nth - KEPT_DELIVERIES)


def list_deliveries(hook_id: str) -> Program[list[Delivery]]:
    """The last ones, newest first."""
    rows = yield from run("list_deliveries", hook_id, KEPT_DELIVERIES)
    return [
        Delivery(event, from_micros(at), outcome, status, ms) for _, event, at, outcome, status, ms in rows
    ]


# --- one process for all ----------------------------------------------------------------------------------


def take_duty(name: str, holder: str, at: dt.datetime, until: dt.datetime) -> Program[bool]:
    """Take or keep a piece of work that one process does for all until `until`; False when another has it."""
    rows = yield from run("find_duty", name)
    if rows and rows[0][0] != holder and rows[0][1] > to_micros(at):
        return False
    yield from run("set_duty", name, holder, to_micros(until))
    return True


def _changed(origin: Origin, kind: EventKind, data: dict[str, object]) -> Program[int]:
    journal = yield from open_journal(origin)
    seq = journal.add(kind, data)
    yield from journal.close()
    return seq


def _write(hook: Webhook) -> Program[None]:
    failing = None if hook.failing_since is None else to_micros(hook.failing_since)
    yield from run("update_webhook", hook.id, hook.state, hook.told.seq, hook.told.number, hook.failures, failing,
                   to_micros(hook.next_try_at))  # fmt: skip


def _webhook(row: Row) -> Webhook:
    key, employer, url, state, created_at, seq, number, failures, failing_since, next_try_at = row
    failing = None if failing_since is None else from_micros(failing_since)
    return Webhook(
        key, employer, url, state, from_micros(created_at), Place(seq, number), failures, failing,
        from_micros(next_try_at),
    )  # fmt: skip
