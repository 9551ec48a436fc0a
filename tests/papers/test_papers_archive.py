"""Kept files grow archive timestamps, so that they check when every certificate in them has ended."""

import asyncio
import datetime as dt
import hashlib
import io
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import page
import pytest
import structlog
from archive_world import OPERATOR, Past, past
from asn1crypto import x509 as asn1_x509
from asn1crypto.crl import CertificateList
from cryptography import x509
from pades_world import YEAR, Authority
from proof_world import DAY
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation.ades import ades_lta_validation
from pyhanko.sign.validation.policy_decl import (
    LocalKnowledge,
    PdfSignatureValidationSpec,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer

import servers
from verify.errors import Forbidden, NotReady
from verify.issuance.archive import Archive, Outcome
from verify.office.audit import audit
from verify.proof.pades_check import check_pdf
from verify.proof.revocation import revoked_in, serial_of
from verify.store.documents import find_document, unseal_document
from verify.telemetry import render_metrics, tally

FORM = "certificate"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Past]:
    async with past(tmp_path, f"sqlite:///{tmp_path}/verify.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def server() -> Iterator[servers.Postgres]:
    with servers.postgres() as running:
        yield running


async def renewed(world: Past, *, limit: int = 50) -> dict[str, int]:
    """A day later, one round."""
    world.forward(DAY + dt.timedelta(minutes=1))
    return (await world.house.archive.renew(limit=limit)).outcomes


async def others_accept(world: Past, pdf: bytes, at: dt.datetime) -> bool:
    """Whether pyHanko's own validator (EN 319 102-1 §5.6.3) passes it `at`, knowing what the file carries and the
    timestamp authority's list of that day."""
    world.authority.now = at
    present = CRLContainer(CertificateList.load(world.authority.revocation_list(900)))
    spec = SignatureValidationSpec(
        cert_validation_policy=_policy(await world.roots()),
        ts_cert_validation_policy=_policy([world.authority.root_der]),
        local_knowledge=LocalKnowledge(known_crls=[present]),
        revinfo_gathering_policy=RevocationInfoGatheringSpec(
            online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
        ),
    )
    timing = ValidationTimingInfo(at, at, True)
    signature = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures[0]
    result = await ades_lta_validation(signature, PdfSignatureValidationSpec(spec), timing_info=timing)
    return bool(result.ades_subindic.status.name == "PASSED")


def _policy(roots: list[bytes]) -> CertValidationPolicySpec:
    anchors = [asn1_x509.Certificate.load(root) for root in roots]
    return CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=anchors),
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
    )


def complaints(pdf: bytes) -> set[str]:
    """Rules of PDF/A-3a and PDF/UA-1 that it breaks, but for those that the validator gets wrong."""
    reports = [page.validate_pdf_bytes(pdf, profile=profile) for profile in ("3a", "ua1")]
    found = {failure.rule_id for report in reports for failure in report.failures}
    return {rule for rule in found if "GLYPH-WIDTH" not in rule and "SIGNATURE-BYTERANGE" not in rule}


async def test_a_kept_file_grows_twice_and_checks_after_its_signers_certificate_ended(
    world: Past, tmp_path: Path
) -> None:
    number = world.numbers[0]
    first = await world.pdf(number)
    assert (await world.house.archive.renew()).outcomes == {}, "not before newer lists are out"
    assert await renewed(world) == {"renewed": 1}
    once = await world.pdf(number)
    assert await renewed(world) == {"renewed": 1}
    twice = await world.pdf(number)
    assert twice.startswith(once) and once.startswith(first) and len(first) < len(once) < len(twice)
    assert await renewed(world) == {}, "the third pass is years away"

    # The ledger has each stage, and the audit finds nothing.
    history = await world.house.views.history(number, OPERATOR)
    told = [(e.kind, e.data.get("part"), e.data["digest"]) for e in history if e.kind.startswith("document-")]
    stages = [hashlib.sha256(file).hexdigest() for file in (first, once, twice)]
    assert told == [
        ("document-kept", None, stages[0]), ("document-renewed", 1, stages[1]), ("document-renewed", 2, stages[2]),
    ]  # fmt: skip
    report = await audit(world.house.store, world.house.data_keys)
    assert report.findings == ()

    # Others read it: one signature, two archive timestamps, PDF/A and PDF/UA whole, no certificate in force.
    agency = (await world.house.office.keys.list_keys("10012003"))[0]
    assert agency.certificate is not None
    ends = x509.load_der_x509_certificate(agency.certificate).not_valid_after_utc
    assert complaints(twice) == set()
    path = tmp_path / "twice.pdf"
    path.write_bytes(twice)
    assert_others_read(path)
    roots, stampers = await world.roots(), [world.authority.root_der]
    soon, late = world.authority.now + DAY, ends + 183 * DAY
    assert await others_accept(world, twice, soon)
    assert check_pdf(twice, roots, late).findings, "without the timestamps its time is over"
    assert check_pdf(twice, roots, late, timestamp_roots=stampers).holds
    assert await others_accept(world, twice, late)
    assert not await others_accept(world, first, late)


def assert_others_read(path: Path) -> None:
    """One signature and two archive timestamps (which pdfsig lists and does not judge), the last over the whole file."""
    seen = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False).stdout
    assert seen.count("Signature is Valid.") == 1 and seen.count("Field Name: Archive") == 2, seen
    assert seen.rstrip().rpartition("Signature #")[2].count("- Total document signed") == 1, seen
    assert subprocess.run(["qpdf", "--check", path], capture_output=True, check=False).returncode == 0


@pytest.mark.long
async def test_it_is_renewed_after_five_years_whatever_its_certificates_say(world: Past) -> None:
    number = world.numbers[0]
    await world.pdf(number)
    for _ in range(2):
        await renewed(world)
    world.forward(5 * YEAR - 2 * DAY)
    assert (await world.house.archive.renew()).outcomes == {}
    world.forward(3 * DAY)
    assert (await world.house.archive.renew()).outcomes == {"renewed": 1}
    kept = await world.house.store.read(lambda: find_document(number, 1, FORM))
    assert [part.due_at is None for part in kept] == [True, True, True, False]
    third = await world.pdf(number)
    stampers = [world.authority.root_der]
    report = check_pdf(third, await world.roots(), world.authority.now, timestamp_roots=stampers)
    assert report.holds and len(report.timestamps) == 3
    assert await others_accept(world, third, world.authority.now + DAY)


async def test_an_outage_leaves_files_as_they_were_and_is_told_without_names(world: Past) -> None:
    number = world.numbers[0]
    first = await world.pdf(number)
    before = dict(tally.archive)
    for manners in ("no list", "redirects"):
        world.authority.manners = manners
        with structlog.testing.capture_logs() as lines:
            assert await renewed(world) == {"unavailable": 1}
        assert await world.pdf(number) == first
        assert number not in json.dumps(lines, ensure_ascii=False) and lines[0]["log_level"] == "warning"
    assert tally.archive["unavailable"] == before.get("unavailable", 0) + 2
    assert b'verify_archive_renewals_total{outcome="unavailable"' in render_metrics()
    world.authority.manners = "good"
    assert await renewed(world) == {"renewed": 1}
    assert (await world.pdf(number)).startswith(first)


async def test_rounds_are_bounded_and_go_on_where_they_stopped(world: Past) -> None:
    for number in world.numbers:
        await world.pdf(number)
    world.forward(DAY + dt.timedelta(minutes=1))
    done = await world.house.archive.renew(limit=2)
    assert (done.outcomes, done.left) == ({"renewed": 2}, 1)
    done = await world.house.archive.renew(limit=2)
    assert (done.outcomes, done.left) == ({"renewed": 1}, 0)
    early = await world.house.archive.renew(world.authority.now + 3 * YEAR)
    assert early.outcomes == {"renewed": 3}, "before a date, when an algorithm's end was announced"


async def test_lists_from_before_the_timestamp_are_waited_for(world: Past) -> None:
    await world.pdf(world.numbers[0])
    world.forward(DAY + dt.timedelta(minutes=1))
    world.authority.now -= 2 * DAY
    stale = world.authority.revocation_list(1)
    world.authority.now += 2 * DAY

    async def fetch(address: str) -> bytes:
        return stale

    archive = world.house.archive
    archive._fetch = fetch
    assert (await archive.renew()).outcomes == {Outcome.WAITING: 1}
    assert (await archive.renew()).outcomes == {}, "later, not at once"


async def test_lists_of_strangers_are_left_out(world: Past) -> None:
    await world.pdf(world.numbers[0])
    stranger = Authority("Stranger")
    stranger.now = world.authority.now + DAY

    async def fetch(address: str) -> bytes:
        return stranger.revocation_list()

    world.house.archive._fetch = fetch
    assert await renewed(world) == {Outcome.WAITING: 1}


async def test_two_processes_renew_a_file_once(world: Past) -> None:
    for number in world.numbers:
        await world.pdf(number)
    world.forward(DAY + dt.timedelta(minutes=1))
    rounds = await asyncio.gather(world.house.archive.renew(), world.house.archive.renew())
    both = [outcome for one in rounds for outcome, count in one.outcomes.items() for _ in range(count)]
    assert both.count("renewed") == 3 and set(both) <= {"renewed", "overtaken"}
    for number in world.numbers:
        kept = await world.house.store.read(lambda number=number: find_document(number, 1, FORM))
        assert len(kept) == 2


async def test_a_file_that_was_tampered_with_is_named_and_not_renewed(world: Past, tmp_path: Path) -> None:
    import sqlite3

    number = world.numbers[0]
    for one in world.numbers[:2]:
        await world.pdf(one)
    with sqlite3.connect(tmp_path / "verify.db") as register:
        register.execute("drop trigger document_is_kept")
        register.execute("update document set digest = zeroblob(32) where number = ?", (number,))
    world.forward(DAY + dt.timedelta(minutes=1))
    done = await world.house.archive.renew()
    assert (done.outcomes, done.refused) == ({"refused": 1, "renewed": 1}, (f"{number}/1/{FORM}",))
    assert (await world.house.archive.renew()).outcomes == {}, (
        "one bad file does not stand in the way of others"
    )


async def test_without_a_timestamp_service_nothing_is_due_and_the_reason_is_told(world: Past) -> None:
    bare = Archive(
        world.house.store, data_keys=world.house.data_keys, own_lists=world.house.office.crl.refresh,
        fetch=world.house.archive._fetch, now=lambda: world.authority.now, timestamp=None,
    )  # fmt: skip
    with pytest.raises(NotReady, match="No timestamp service"):
        await bare.renew()
    await asyncio.wait_for(bare.work(), 1)


async def test_the_same_on_postgresql(server: servers.Postgres, tmp_path: Path) -> None:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("create database archive")
    await connection.close()
    async with past(tmp_path, server.dsn.replace("/postgres?", "/archive?"), count=2) as world:
        files = [await world.pdf(number) for number in world.numbers]
        assert await renewed(world, limit=1) == {"renewed": 1}
        assert (await world.house.archive.renew()).outcomes == {"renewed": 1}
        assert await renewed(world) == {"renewed": 2}
        for number, first in zip(world.numbers, files, strict=True):
            kept = await world.house.store.read(lambda number=number: find_document(number, 1, FORM))
            whole = unseal_document(world.house.data_keys, kept)
            assert len(kept) == 3 and whole.startswith(first) and whole == await world.pdf(number)
        assert (await audit(world.house.store, world.house.data_keys)).findings == ()


async def test_a_compromised_key_is_in_the_roots_list_at_once(world: Past) -> None:
    keys = world.house.office.keys
    (key,) = [k for k in await keys.list_keys("10012003") if k.certificate]
    (before,) = await world.house.office.crl.refresh()
    assert revoked_in(before) == {}
    world.forward(DAY)
    since = world.authority.now - dt.timedelta(hours=1)
    await keys.compromise(key.kid, since, actor="test")
    with pytest.raises(Forbidden):
        await keys.compromise(key.kid, since + DAY, actor="test")
    (after,) = await world.house.office.crl.refresh()
    assert key.certificate is not None
    assert revoked_in(after) == {serial_of(key.certificate): since.replace(microsecond=0)}
    table = x509.load_der_x509_crl(after)
    root = x509.load_der_x509_certificate((await world.roots())[0])
    assert table.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # it is a P-256 key
    (entry,) = table
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise
    numbers = [x509.load_der_x509_crl(one).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
               for one in (before, after)]  # fmt: skip
    assert numbers[0] < numbers[1]


async def test_an_old_list_is_made_anew_and_a_young_one_is_not(world: Past) -> None:
    crl = world.house.office.crl
    (first,) = await crl.refresh()
    assert await crl.refresh() == [first]
    world.forward(3 * DAY)
    (second,) = await crl.refresh()
    assert second != first
    assert await crl.refresh(since=world.authority.now - DAY) == [second]
