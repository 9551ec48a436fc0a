"""The canary: the promise that matters, tried on the running service again and again.

An office node issues a certificate of an agency that exists for this alone, asks every configured node for it,
revokes it, and asks every node once more, once: a node that then shows anything but "revoked" is stale. What
came of it is a metric and a log line. It is switched off unless `canary_every_s` is set.
"""

import asyncio
import datetime as dt
import http.client
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec

from verify.certificate.form import HolderInput, IssueRequest, OccupationInput, ResultsInput
from verify.certificate.identity import check_character
from verify.certificate.reason import Role
from verify.certificate.record import Filing
from verify.errors import NotReady, OutOfScope, StoreFailed, Unavailable, VerifyError, Words
from verify.issuance.caller import Caller
from verify.telemetry import canary_tally, log
from verify.wiring.desks import OfficeHouse

ACTOR: Final = "canary"
REASON: Final = "ISSUED_IN_VIOLATION"
"""For the operator alone, and true of a certificate that certifies nobody."""
TIMEOUT_S: Final = 5.0
"""How long one node may take for one answer."""
CHINA: Final = dt.timezone(dt.timedelta(hours=8))
PERSON: Final = "99000019900101"
"""Area and birth date of whom it is issued to: area 99 does not exist, so nobody is meant."""

_UNKNOWN: Final = (StoreFailed, Unavailable, NotReady)
"""After these nobody knows what was done, so the next round asks again under the same key."""

Ask: TypeAlias = Callable[[str, str], Awaitable[str]]
"""Base address of a node and a number → the verdict it shows, or `unavailable`."""


class Round(msgspec.Struct, frozen=True):
    """What came of one round."""

    outcome: str
    """`seen` (all is well), `stale`, `unavailable`, `refused` (the office could not issue or revoke)."""
    seconds: float
    """From the acknowledged revocation until the last node had answered; 0 when it did not come to that."""
    where: str = ""
    """The node that was not as it should be, or the code of the error."""


class Canary:
    """One per office process. What it leaves half done in one round it finishes in the next."""

    def __init__(
        self, office: OfficeHouse, agency: str, urls: Sequence[str], now: Callable[[], dt.datetime], ask: Ask
    ) -> None:
        """`urls`: base addresses of the nodes themselves, not of what balances among them."""
        self._office = office
        self._agency = agency
        self._urls = urls
        self._now = now
        self._ask = ask
        self._begun: tuple[str, IssueRequest] | None = None
        """Idempotency key and request of a certificate that was not revoked yet."""

    async def sing(self) -> Round:
        """One round. Raises nothing that it is there to find out."""
        try:
            # 1. Issued, and seen by every node. A round that was broken off goes on with its certificate.
            self._begun = self._begun or (f"canary-{secrets.token_hex(12)}", await self._request())
            key, request = self._begun
            issued = await self._office.issuance.issue(self._agency, request, key, ACTOR)
            before = await self._look(issued.number)
            # 2. Revoked, whatever the nodes said: nothing of the canary stays valid.
            await self._office.changes.revoke(issued.number, REASON, Caller(ACTOR, Role.OPERATOR))
            acknowledged = time.monotonic()
            self._begun = None
        except VerifyError as error:
            if not isinstance(error, _UNKNOWN):
                self._begun = None
            return Round("refused", 0.0, error.code)
        # 3. Asked once, all at once: whatever is not "revoked" now is a broken promise.
        after = await self._look(issued.number)
        return judge(before, after, time.monotonic() - acknowledged)

    async def _look(self, number: str) -> dict[str, str]:
        verdicts = await asyncio.gather(*(self._ask(url, number) for url in self._urls))
        return dict(zip(self._urls, verdicts, strict=True))

    async def _request(self) -> IssueRequest:
        """Within the first filing in force. Raises OutOfScope when the agency has none."""
        today = self._now().astimezone(CHINA).date()
        filing = _in_force(await self._office.office.agencies.list_filings(self._agency), today)
        if filing is None:
            what = Words(
                "探针机构没有有效备案。", f"The canary's agency {self._agency} has no filing in force."
            )
            raise OutOfScope(what, hint=f"verify filing add {self._agency}")
        body = f"{PERSON}{secrets.randbelow(1000):03d}"
        return IssueRequest(
            holder=HolderInput("探针", "RESIDENT_ID", body + check_character(body + "0")),
            occupation=OccupationInput(filing.occupation.code, filing.occupation.name),
            work_type=next((one for one in filing.work_types if one != "--"), None),
            level=filing.levels[0].value,
            issued_on=today.isoformat(),
            results=ResultsInput(100.0, 100.0, 100.0),
            allow_duplicate=True,
        )


def judge(before: dict[str, str], after: dict[str, str], seconds: float) -> Round:
    """A stale node is worse than one that says nothing, and is told first."""
    answers = [(url, verdict, "valid") for url, verdict in before.items()]
    answers += [(url, verdict, "revoked") for url, verdict in after.items()]
    wrong = [(url, verdict) for url, verdict, wanted in answers if verdict != wanted]
    for url, verdict in wrong:
        if verdict != "unavailable":
            return Round("stale", seconds, url)
    return Round("unavailable", seconds, wrong[0][0]) if wrong else Round("seen", seconds)


async def keep_singing(canary: Canary, every_s: float) -> None:
    """A round every `every_s` seconds for as long as the process serves; 0 is never."""
    while every_s:
        singing = asyncio.ensure_future(canary.sing())
        try:
            tell(await asyncio.shield(singing))
        except asyncio.CancelledError:
            # The process ends: a round under way is finished, or its certificate would stay valid.
            await asyncio.wait([singing], timeout=3 * TIMEOUT_S)
            raise
        except Exception as error:  # a canary that dies of something unforeseen must not fall silent
            tell(Round("stumbled", 0.0, type(error).__qualname__))
        await asyncio.sleep(every_s)


def tell(found: Round) -> None:
    """Metrics and one line. A stale node is an error that somebody must wake up for."""
    canary_tally.add(found.outcome, found.seconds)
    if found.outcome == "seen":
        log.info("every node showed the canary's revocation", seconds=round(found.seconds, 4))
        return
    say = log.error if found.outcome == "stale" else log.warning
    say("the canary was not seen as it is", outcome=found.outcome, where=found.where)


async def ask_node(url: str, number: str) -> str:
    """What the node at `url` shows for a number, asked on a connection of its own."""
    return await asyncio.to_thread(_fetch, url, number)


def _fetch(url: str, number: str) -> str:
    address = urlsplit(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    line = kind(address.netloc, timeout=TIMEOUT_S)
    try:
        line.request("GET", f"{address.path.rstrip('/')}/api/v1/certificates/{number}")
        reply = line.getresponse()
        told: Any = json.loads(reply.read(1 << 16))
        # 429 and 5xx say nothing about the certificate.
        return str(told["verdict"]) if reply.status in (200, 404) else "unavailable"
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return "unavailable"
    finally:
        line.close()


def _in_force(filings: Sequence[Filing], today: dt.date) -> Filing | None:
    for filing in filings:
        if filing.from_on <= today and (filing.to_on is None or today <= filing.to_on):
            return filing
    return None
