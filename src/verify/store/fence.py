"""The lease that a networked engine must hold before it shows a status, and the SQL behind it. Pure.

A primary that was cut off and replaced does not know it. What tells is the one synchronous standby: nothing is
acknowledged without it, and whoever promotes it stops it from confirming first, then waits one lease. So a
node that has proof that the standby confirmed something less than one lease ago reads from the only primary.

The proof is a beat. A node of the office writes three times on one connection: `begun = k` (kept on this
server alone), then a change that the standby must confirm, and, when that was confirmed without a warning,
`heard = k` (again on this server alone). Whoever sees `heard = k`, and had seen `begun < k` in a read that it
sent at T, knows that the standby confirmed something after T. The lease counts from T: not from when the answer
came, and not from when `heard` was first seen, because both may be any time later.

`begun` and `heard` live in an unlogged table: a server that crashed has lost them and proves nothing until the
standby has confirmed anew; a commit that a restart or a cancelled wait made visible therefore proves nothing.
"""

from collections import deque
from typing import NamedTuple

from verify.errors import StoreFailed, Words

BEAT_S = 1.0
"""How often an office node makes a beat."""
LONGEST_LEASE_MS = 10_000
"""Shorter than the time after which a commit that nobody confirms is given up and may become visible."""
SHORTEST_LEASE_MS = 3_000
"""Two beats and a slow one between them."""
REMEMBERED = 32

READ_GUARD = """
select h.seq, b.lease_ms, p.begun, p.heard,
       ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int, h.history, h.lost
from ledger_head h cross join heartbeat b left join pulse p on p.id = 1 where h.id = 1 and b.id = 1
"""
"""What `read_seq` and `read_place` read, and beside it what the lease is judged by. A standby cannot run this at all."""
READ_STANDING = "select pg_is_in_recovery(), (select lease_ms from heartbeat where id = 1)"
READ_TIMELINE = "select ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
BEGIN_BEAT = """
insert into pulse as p (id, begun, heard) values (1, 1, 0)
on conflict (id) do update set begun = p.begun + 1 returning begun
"""
CONFIRM_BEAT = """
update heartbeat set beat = beat + 1
where id = 1 and lease_ms > 0 and current_setting('synchronous_standby_names') <> ''
  and current_setting('synchronous_commit') in ('on', 'remote_apply')
returning 1
"""
"""Its commit waits for the standby; nothing comes back from a server that would not wait."""
END_BEAT = "update pulse set heard = greatest(heard, $1) where id = 1"


class Guard(NamedTuple):
    """One row of `READ_GUARD`."""

    seq: int
    lease_ms: int
    """0: there is no standby that could be promoted, and nothing to prove."""
    begun: int | None
    heard: int | None
    timeline: int
    """Every promotion begins a new one."""
    history: str = ""
    """Every restore begins a new one."""
    lost: int = 0
    """Certificates and copies that a restore did not bring back, and that nobody has settled."""


class Fence:
    """What one process knows of its right to answer. Instants are seconds of one monotonic clock."""

    def __init__(self) -> None:
        """Nothing is proved."""
        self.timeline = 0
        """The newest timeline that this process has read from."""
        self.guarded = False
        """Whether the register has a standby that could be promoted."""
        self._seen: deque[tuple[int, float]] = deque(maxlen=REMEMBERED)

    def judge(self, guard: Guard, sent: float) -> None:
        """Take in one read that was sent at `sent`. Raises StoreFailed unless it may be shown."""
        if guard.timeline != self.timeline:
            if guard.timeline < self.timeline:
                raise _refusal(
                    "该数据库是已被替换的旧主库。", "This database is a primary that was replaced."
                )
            self.timeline = guard.timeline
            self._seen.clear()
        self.guarded = guard.lease_ms > 0
        if not self.guarded:
            return
        if guard.begun is None or guard.heard is None:
            raise _refusal(
                "主库尚未证明备库在跟随。", "The primary has not proved yet that its standby follows."
            )
        since = self.proved(guard.heard)
        self._note(guard.begun, sent)
        if since is None or sent - since > guard.lease_ms / 1000:
            raise _refusal(
                "主库未能证明备库仍在跟随。", "The primary has not proved lately that its standby follows."
            )

    def proved(self, heard: int) -> float | None:
        """An instant after which the standby certainly confirmed something, given this beat was heard."""
        return next((sent for begun, sent in reversed(self._seen) if begun < heard), None)

    def _note(self, begun: int, sent: float) -> None:
        """Keep the latest sending for each beat."""
        if self._seen and self._seen[-1][0] == begun:
            self._seen[-1] = (begun, max(sent, self._seen[-1][1]))
        else:
            self._seen.append((begun, sent))


def _refusal(zh: str, en: str) -> StoreFailed:
    return StoreFailed(
        Words(zh + "暂不作答。", en + " Nothing is answered."),
        hint="is an office node running, and the standby connected? verify recover status",
    )
