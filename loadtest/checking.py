"""Whether the answers are right: fields, times, headers, the token's signature, and the register itself."""

import asyncio
import datetime as dt
import random
from collections.abc import Sequence
from pathlib import Path

import msgspec

from loadtest import seed
from loadtest.client import Answer, Caller, connect, get, post
from loadtest.installation import SIGNED, Site
from loadtest.services import Service
from verify.certificate.identity import mask_id_number
from verify.proof.datafile import load_data_keys
from verify.proof.digits import encode_digits
from verify.proof.public import PublicKey
from verify.proof.sealing import DataKeys
from verify.proof.token import verify_token
from verify.store.contract import Store
from verify.store.personal import unseal_token
from verify.store.reads import read_certificates, read_copy
from verify.store.register import list_keys
from verify.wiring.house import open_store

CLOCK_SLACK = dt.timedelta(milliseconds=2)
"""`as_of` is cut to milliseconds."""


class WrongAnswer(AssertionError):
    """The service answered, and not with the truth."""


def expect(condition: bool, what: str, answer: Answer) -> None:
    """Raises WrongAnswer."""
    if not condition:
        raise WrongAnswer(f"{what}: {answer.status} {answer.body[:600]!r}")


def check_fresh(answer: Answer, sent_at: dt.datetime) -> None:
    """The headers of a status, and a time of the check that lies between question and answer."""
    expect(answer.header("cache-control") == "no-store", "a status may not be stored", answer)
    expect(answer.header("etag") is None, "a status has no ETag", answer)
    at = dt.datetime.fromisoformat(answer.json().get("as_of"))
    expect(
        sent_at - CLOCK_SLACK <= at <= dt.datetime.now(dt.UTC), "as_of is not the time of the check", answer
    )


def check_number(index: int, answer: Answer, *, verdict: str = "valid", revision: int = 1) -> None:
    """What a number alone tells about a seeded certificate: the face, and nothing of the holder."""
    one, told = seed.seeded(index), answer.json()
    expect(answer.status == 200, "not found", answer)
    expect(told["number"] == one.number, "another number", answer)
    expect((told["verdict"], told["revision"]) == (verdict, revision), f"not {verdict} {revision}", answer)
    face = told["certificate"]
    expect(face["occupation"]["code"] == one.face.occupation.code, "another occupation", answer)
    expect(face["level"] == one.face.level.value, "another level", answer)
    expect(face["agency"]["code"] == one.face.agency, "another agency", answer)
    expect(face["issued_on"] == one.face.issued_on.isoformat(), "another date", answer)
    expect(
        "holder" not in told and one.holder.name.encode() not in answer.body, "tells of the holder", answer
    )


def check_full(index: int, told: dict[str, object], answer: Answer) -> None:
    """The full public face of a seeded certificate: name and masked ID number, never the plain one."""
    one = seed.seeded(index)
    expect(told["number"] == one.number and told["verdict"] == "valid", "another certificate", answer)
    holder, copy = told["holder"], told["copy"]
    assert isinstance(holder, dict) and isinstance(copy, dict)
    masked = mask_id_number(one.holder.id_type, one.holder.id_number)
    expect(
        holder["name"] == one.holder.name and holder["id_number_masked"] == masked, "another holder", answer
    )
    expect(copy["number"] == 1 and copy["current"] is True, "not the current copy", answer)
    expect(one.holder.id_number.encode() not in answer.body, "tells the whole ID number", answer)


class Checker:
    """Asks about seeded certificates and holds every answer against what was seeded."""

    def __init__(self, site: Site, rng: random.Random) -> None:
        """`rng` picks the certificates."""
        self._site = site
        self._rng = rng
        self.checked = 0

    async def number(self, caller: Caller) -> None:
        """By number alone."""
        index, sent_at = self._rng.randrange(self._site.count), dt.datetime.now(dt.UTC)
        answer = await caller.ask(get(f"/api/v1/certificates/{seed.seeded(index).number}"))
        check_number(index, answer)
        check_fresh(answer, sent_at)
        self.checked += 1

    async def unknown(self, caller: Caller) -> None:
        """A number that nobody was given."""
        number = seed.seeded(self._rng.randrange(10_000_000, 11_000_000)).number
        answer = await caller.ask(get(f"/api/v1/certificates/{number}"))
        expect(answer.status == 404 and answer.json()["verdict"] == "unknown", "not a miss", answer)
        expect(answer.json()["answers"] == [], "a miss with answers", answer)
        self.checked += 1

    async def named(self, caller: Caller) -> None:
        """By name and document."""
        index, sent_at = self._rng.randrange(self._site.count), dt.datetime.now(dt.UTC)
        answer = await caller.ask(post("/api/v1/lookups", person_body(index)))
        expect(answer.status == 200, "not found", answer)
        told = [one for one in answer.json()["answers"] if one["number"] == seed.seeded(index).number]
        expect(len(told) == 1, "not among the answers", answer)
        check_full(index, told[0], answer)
        at = dt.datetime.fromisoformat(told[0]["as_of"])
        expect(
            sent_at - CLOCK_SLACK <= at <= dt.datetime.now(dt.UTC),
            "as_of is not the time of the check",
            answer,
        )
        self.checked += 1

    async def scanned(self, caller: Caller) -> None:
        """By scan code, as data."""
        index, sent_at = self._rng.randrange(self._site.count), dt.datetime.now(dt.UTC)
        answer = await caller.ask(get(f"/V/{seed.seeded(index).scan_code}"))
        expect(answer.status == 200, "not found", answer)
        check_full(index, answer.json(), answer)
        check_fresh(answer, sent_at)
        self.checked += 1

    async def page(self, caller: Caller) -> None:
        """By scan code, as a page."""
        one = seed.seeded(self._rng.randrange(self._site.count))
        answer = await caller.ask(get(f"/V/{one.scan_code}", accept="text/html"))
        expect(answer.status == 200 and b"<html" in answer.body[:400], "not a page", answer)
        expect(one.holder.name.encode() in answer.body, "another holder", answer)
        expect(one.holder.id_number.encode() not in answer.body, "tells the whole ID number", answer)
        expect(answer.header("cache-control") == "no-store", "a status may not be stored", answer)
        self.checked += 1


def person_body(index: int) -> bytes:
    """The body of a look-up by name and document."""
    holder = seed.seeded(index).holder
    return msgspec.json.encode(
        {"id_type": holder.id_type, "id_number": holder.id_number, "name": holder.name}
    )


KINDS = {
    "number": Checker.number, "hot": Checker.number, "unknown": Checker.unknown, "named": Checker.named,
    "scanned": Checker.scanned, "page": Checker.page,
}  # fmt: skip


async def sample(service: Service, site: Site, kind: str, count: int, *, pause_s: float = 0.0) -> int:
    """Ask `count` times and check every answer; returns how many were right. Raises WrongAnswer."""
    checker = Checker(site, random.Random(count))
    async with connect(service.port) as caller:
        for _ in range(count):
            await KINDS[kind](checker, caller)
            await asyncio.sleep(pause_s)
    return checker.checked


async def check_against_register(service: Service, site: Site, indexes: Sequence[int]) -> int:
    """Answers, tokens and check reports of really signed certificates, held against the register itself.

    Status and revision of each answer are the register's; its token verifies with the agency's public key and
    claims what was seeded; the service's own report on the token says authentic and valid.
    """
    folder = Path(site.folder) / "keys"
    data_keys = load_data_keys(folder, (folder / "passphrase").read_text().strip())
    store = await open_store(site.database_url, read_only=True)
    try:
        keys = {key.kid: key for key in await store.read(list_keys)}
        async with connect(service.port) as caller:
            for index in indexes:
                await _hold_one(index, caller, store, keys, data_keys)
    finally:
        await store.close()
    return len(indexes)


async def _hold_one(
    index: int, caller: Caller, store: Store, keys: dict[str, PublicKey], data_keys: DataKeys
) -> None:
    assert index < SIGNED
    one = seed.seeded(index)
    answer = await caller.ask(get(f"/V/{one.scan_code}"))
    held = (await store.read(lambda: read_certificates([one.number]))).certificates[one.number]
    told = answer.json()
    expect(
        (told["verdict"], told["revision"]) == (held.status.value, held.revision),
        "not as in the register",
        answer,
    )
    copy = await store.read(lambda: read_copy(one.number, 1))
    assert copy is not None
    token = unseal_token(data_keys, one.number, 1, copy[0])
    claims = verify_token(token, keys)
    expect((claims.number, claims.scan_code) == (one.number, one.scan_code), "another token", answer)
    report = await caller.ask(post("/api/v1/checks", msgspec.json.encode({"token": encode_digits(token)})))
    expect(report.status == 200, "no report", report)
    outcomes = {check["name"]: check["outcome"] for check in report.json()["checks"]}
    for name in ("readable", "authentic", "issuer-known", "matches-register", "current-copy", "status"):
        expect(outcomes.get(name) == "passed", f"{name} is {outcomes.get(name)}", report)
