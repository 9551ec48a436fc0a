"""Budgets, as HTTP tells them: 429 with `Retry-After` past one, `RateLimit` fields (draft 11) before that.

A POST is always told its policy. A GET of a number or scan code is told only when less than a tenth is left:
the hot path's header list is made once, and a phone that scans one code has no use for the figure.
"""

from collections.abc import Hashable
from typing import Final

from verify.errors import TooMany
from verify.lookup.budget import PERIOD_S, Decision, source_of
from verify.lookup.challenge import Challenge
from verify.web.headers import Headers
from verify.web.public.half import PublicDesk
from verify.web.reply import Scope, header

NONE: Final[Headers] = []
SOLUTION: Final = b"verify-challenge-solution"
"""The header of programs."""
COOKIE: Final = b"verify-solution="
"""The cookie of pages: a browser that opens an address cannot send a header of ours."""


class OverBudget(TooMany):
    """Too many requests; try again later. 请求过于频繁，请稍后再试。"""

    def __init__(self, decision: Decision, challenge: Challenge) -> None:
        """Tell what `decision` says, and what to solve for who will not wait."""
        super().__init__()
        self.challenge = challenge
        self.retry_after_s = decision.retry_after_s
        self.headers = limit_headers(decision)


async def spend(desk: PublicDesk, scope: Scope, source: str, target: Hashable | None = None) -> Decision:
    """Take one look-up from the source's budget, and from the target's; past either a solved challenge counts.

    Raises OverBudget with a challenge.
    """
    decision = desk.budgets.spend(source, target)
    if decision.allowed:
        return decision
    budget = (decision.policy, target if decision.policy == "target" else source)
    solution = solution_in(scope)
    if solution and await desk.challenges.take(solution, source, budget):
        return decision
    raise OverBudget(decision, desk.challenges.give(source, budget))


def solution_in(scope: Scope) -> str:
    """The solution that a request brings, by header or cookie; empty when it brings none."""
    sent = header(scope, SOLUTION)
    if sent is None:
        cookies = (header(scope, b"cookie") or b"").split(b";")
        pairs = (cookie.strip() for cookie in cookies)
        sent = next((pair[len(COOKIE) :] for pair in pairs if pair.startswith(COOKIE)), b"")
    return sent.decode("latin-1").strip('"')


def limit_headers(decision: Decision) -> Headers:
    """`RateLimit-Policy` of the tighter budget, and `RateLimit`; nothing when budgets are off.

    What is left of a target's budget would tell that others ask about the same person, so only its refusal is
    told; what is left of the asker's own is told as soon as that is the tighter one.
    """
    if not decision.quota:
        return NONE
    name = decision.policy
    policy = (b"ratelimit-policy", f'"{name}";q={decision.quota};w={PERIOD_S:.0f}'.encode())
    if decision.allowed and name != "source":
        return [policy]
    return [policy, (b"ratelimit", f'"{name}";r={decision.remaining};t={decision.reset_s}'.encode())]


def asker(scope: Scope, trusted_proxies: int) -> str:
    """Whose request it is: the socket's peer, or what trusted proxies say of it.

    Each proxy appends the peer it saw to X-Forwarded-For, so the entry of the outermost of `trusted_proxies`
    is that many from the right; whatever stands further left was written by the client. With fewer entries
    than that, somebody went round a proxy: the socket's peer counts.
    """
    peer = scope.get("client")
    address = peer[0] if peer else "unknown"
    if trusted_proxies > 0:
        entries = [
            entry.strip()
            for key, value in scope["headers"]
            if key == b"x-forwarded-for"
            for entry in value.decode("latin-1").split(",")
        ]
        if len(entries) >= trusted_proxies:
            address = entries[-trusted_proxies][:64]
    return source_of(address)
