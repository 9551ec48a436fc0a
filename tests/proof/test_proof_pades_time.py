"""Timestamps: asked over real HTTP, believed only when they answer this question, and renewed so that a certificate
checks after every certificate in it has ended."""

import datetime as dt
import io
import itertools
from collections.abc import Iterator

import msgspec
import page
import pytest
from asn1crypto import x509 as asn1_x509
from asn1crypto.crl import CertificateList
from cryptography import x509
from pades_world import (
    AGENCY_DER,
    AGENCY_ENDS,
    AUTHORITY_ENDS,
    NOW,
    REASON,
    ROOT_DER,
    SIGNER,
    YEAR,
    Authority,
    plain_pdf,
    serve,
)
from proof_world import DAY, ROOT
from pyhanko.pdf_utils.generic import DictionaryObject, NumberObject, TextStringObject, pdf_name
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
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

from verify.errors import BadDocument, ProofFailed, Unavailable
from verify.proof.pades import LONGEST, MARGIN, SECOND_PASS, Evidence, next_renewal, renew_pdf, sign_pdf
from verify.proof.pades_check import Change, Finding, PdfReport, check_pdf
from verify.proof.revocation import revocation_list
from verify.proof.timestamp import TimestampClient


class World:
    """An authority on loopback and a client that trusts it."""

    def __init__(self, authority: Authority, url: str) -> None:
        self.authority = authority
        self.url = url
        self.client = authority.client(url)

    def evidence(self, number: int = 1) -> Evidence:
        """What is to be had at the authority's now."""
        now = self.authority.now
        own = revocation_list(ROOT, ROOT_DER, {}, number=number, made_at=now, next_at=now + 30 * DAY)
        lists = (own, self.authority.revocation_list(number))
        return Evidence((ROOT_DER, self.authority.root_der), lists)

    async def signed(self, evidence: Evidence | None = None) -> bytes:
        """The world's certificate with a timestamp."""
        return await sign_pdf(
            plain_pdf(),
            signer=SIGNER,
            certificate=AGENCY_DER,
            chain=[ROOT_DER],
            signed_at=NOW,
            reason=REASON,
            timestamp=self.client,
            evidence=evidence,
        )

    async def renewed(self, pdf: bytes, after: dt.timedelta, number: int) -> bytes:
        """One more archive timestamp, `after` the last thing that happened."""
        self.authority.now += after
        evidence = self.evidence(number)
        self.authority.now += dt.timedelta(minutes=1)
        now = self.authority.now
        return await renew_pdf(pdf, timestamp=self.client, evidence=evidence, roots=[ROOT_DER], at=now)

    def check(self, pdf: bytes, at: dt.datetime) -> PdfReport:
        """With the authority's root known."""
        return check_pdf(pdf, [ROOT_DER], at, timestamp_roots=[self.authority.root_der])

    async def others_accept(self, pdf: bytes, at: dt.datetime, *, live: bool = False) -> bool:
        """Whether pyHanko's own validator (EN 319 102-1 §5.6.3) passes it `at`; `live`: with the authority's present
        list, otherwise knowing only what the file carries."""
        lists = [present_list(self.authority, at)] if live else []
        signature = PdfFileReader(io.BytesIO(pdf)).embedded_regular_signatures[0]
        spec = SignatureValidationSpec(
            cert_validation_policy=_policy(ROOT_DER),
            ts_cert_validation_policy=_policy(self.authority.root_der),
            local_knowledge=LocalKnowledge(known_crls=lists),
            revinfo_gathering_policy=RevocationInfoGatheringSpec(
                online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY
            ),
        )
        timing = ValidationTimingInfo(at, at, True)
        result = await ades_lta_validation(signature, PdfSignatureValidationSpec(spec), timing_info=timing)
        return result.ades_subindic.status.name == "PASSED"


def present_list(authority: Authority, at: dt.datetime) -> CRLContainer:
    """What the authority answers `at` when asked for its revocation list."""
    authority.now = at
    return CRLContainer(CertificateList.load(authority.revocation_list(9)))


def _policy(root: bytes) -> CertValidationPolicySpec:
    anchors = [asn1_x509.Certificate.load(root)]
    return CertValidationPolicySpec(
        trust_manager=SimpleTrustManager.build(trust_roots=anchors),
        revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO),
    )


@pytest.fixture
def world() -> Iterator[World]:
    authority = Authority()
    with serve(authority) as url:
        yield World(authority, url)


FALSE_FINDINGS = ("GLYPH-WIDTH", "SIGNATURE-BYTERANGE")
"""Errors of the validator: widths of CFF fonts; and a signature with increments after it, which cannot cover what was
not there yet (veraPDF passes the same form)."""


def complaints(pdf: bytes) -> set[str]:
    """Rules of PDF/A-3a and PDF/UA-1 that a file breaks."""
    reports = [page.validate_pdf_bytes(pdf, profile=profile) for profile in ("3a", "ua1")]
    found = {failure.rule_id for report in reports for failure in report.failures}
    return {rule for rule in found if not any(name in rule for name in FALSE_FINDINGS)}


async def test_a_timestamp_proves_the_time_beyond_the_certificates_end(world: World) -> None:
    pdf = await world.signed()
    report = world.check(pdf, AGENCY_ENDS + DAY)
    assert report.holds
    assert report.signature is not None and report.signature.timestamp is not None
    assert report.signature.timestamp.stamped_at == world.authority.now
    assert report.signature.timestamp.trusted
    assert complaints(pdf) == set()
    assert world.check(pdf, AUTHORITY_ENDS + DAY).findings == (Finding.OUT_OF_WINDOW,)


async def test_a_timestamp_by_an_unknown_authority_proves_nothing_and_harms_nothing(world: World) -> None:
    pdf = await world.signed()
    assert check_pdf(pdf, [ROOT_DER], NOW + DAY).holds
    report = check_pdf(pdf, [ROOT_DER], AGENCY_ENDS + DAY)
    assert report.findings == (Finding.OUT_OF_WINDOW,)
    assert report.signature is not None and report.signature.timestamp is not None
    assert report.signature.timestamp.intact and not report.signature.timestamp.trusted


@pytest.mark.parametrize(
    "manners",
    ["refuses", "other nonce", "no nonce", "other imprint", "garbage", "huge", "broken signature"],
)
async def test_an_answer_to_another_question_is_refused(world: World, manners: str) -> None:
    world.authority.manners = manners
    with pytest.raises(ProofFailed) as caught:
        await world.signed()
    assert caught.value.hint


async def test_an_authority_under_another_root_is_refused(world: World) -> None:
    world.client = Authority().client(world.url)
    with pytest.raises(ProofFailed, match="trusted authority"):
        await world.signed()


async def test_an_authority_that_is_slow_gone_or_sends_elsewhere_is_unavailable(world: World) -> None:
    world.authority.manners = "slow"
    world.client = world.authority.client(world.url, timeout_s=0.2)
    with pytest.raises(Unavailable):
        await world.signed()
    world.authority.manners = "redirects"
    world.client = world.authority.client(world.url)
    with pytest.raises(Unavailable):
        await world.signed()
    world.client = world.authority.client("http://127.0.0.1:1/")
    with pytest.raises(Unavailable):
        await world.signed()


async def test_each_question_has_its_own_nonce_and_the_right_size(world: World) -> None:
    asked: list[bytes] = []

    async def post(request: bytes) -> bytes:
        asked.append(request)
        return world.authority.answer(request)

    client = TimestampClient(post, roots=[world.authority.root_der])
    await client.stamp(b"\1" * 32)
    await client.stamp(b"\1" * 32)
    assert len(set(asked)) == 2
    with pytest.raises(ProofFailed):
        await client.stamp(b"short")


async def test_b_lt_carries_its_evidence_in_the_signed_revision(world: World) -> None:
    pdf = await world.signed(world.evidence())
    reader = PdfFileReader(io.BytesIO(pdf))
    assert reader.xrefs.total_revisions == 2
    assert len(reader.root["/DSS"]["/CRLs"]) == 2
    assert world.check(pdf, NOW + DAY).holds
    assert complaints(pdf) == set()


async def test_evidence_that_ends_in_a_carriage_return_keeps_pdf_a(world: World) -> None:
    lists = (
        revocation_list(ROOT, ROOT_DER, {}, number=number, made_at=NOW, next_at=NOW + DAY)
        for number in itertools.count(1)
    )
    odd = next(der for der in lists if der.endswith(b"\r"))
    pdf = await world.signed(Evidence((), (odd,)))
    assert PdfFileReader(io.BytesIO(pdf)).root["/DSS"]["/CRLs"][0].data == odd
    assert complaints(pdf) == set()


async def test_archived_certificates_check_after_the_agencys_certificate_has_ended(world: World) -> None:
    plain = await world.signed(world.evidence())
    once = await world.renewed(plain, DAY, 2)
    twice = await world.renewed(once, DAY, 3)
    soon, late = world.authority.now + DAY, AGENCY_ENDS + 183 * DAY
    assert await world.others_accept(twice, soon), "knowing only what the file carries"
    assert not await world.others_accept(plain, late, live=True)
    assert await world.others_accept(twice, late, live=True)
    assert world.check(twice, late).holds
    assert len(world.check(twice, late).timestamps) == 2
    assert complaints(twice) == set()


async def test_the_second_pass_brings_lists_newer_than_the_first_timestamp(world: World) -> None:
    once = await world.renewed(await world.signed(), DAY, 2)
    first = world.check(once, NOW + 2 * DAY).timestamps[0].stamped_at
    twice = await world.renewed(once, DAY, 3)
    for pdf, newer in [(once, 0), (twice, 2)]:
        lists = PdfFileReader(io.BytesIO(pdf)).root["/DSS"]["/CRLs"]
        made = [x509.load_der_x509_crl(lists[n].data).last_update_utc for n in range(len(lists))]
        assert sum(at >= first for at in made) == newer


async def test_it_is_due_before_the_authority_ends_and_then_checks_beyond_by_another(world: World) -> None:
    pdf = await world.renewed(await world.signed(), DAY, 2)
    pdf = await world.renewed(pdf, DAY, 3)
    stamps = world.check(pdf, NOW + 3 * DAY).timestamps
    assert next_renewal(stamps[:1], NOW + DAY) == NOW + DAY + SECOND_PASS
    assert next_renewal(stamps, NOW) == stamps[-1].stamped_at + LONGEST < AUTHORITY_ENDS - MARGIN
    near = msgspec.structs.replace(stamps[-1], stamped_at=AUTHORITY_ENDS - YEAR)
    assert next_renewal([near, near], NOW) == AUTHORITY_ENDS - MARGIN
    last = msgspec.structs.replace(stamps[-1], stamped_at=AUTHORITY_ENDS - 10 * DAY)
    assert next_renewal([last, last], NOW) == AUTHORITY_ENDS - 5 * DAY, "never at once, for ever"
    beyond = AUTHORITY_ENDS + YEAR
    assert world.check(pdf, beyond).findings == (Finding.OUT_OF_WINDOW,)
    successor = Authority("Second", ends=NOW + 20 * YEAR)
    world.authority.now = successor.now = AUTHORITY_ENDS - 30 * DAY
    with serve(successor) as url:
        evidence = world.evidence(4)
        client = successor.client(url)
        renewed = await renew_pdf(
            pdf, timestamp=client, evidence=evidence, roots=[ROOT_DER], at=world.authority.now
        )
    both = [world.authority.root_der, successor.root_der]
    assert check_pdf(renewed, [ROOT_DER], beyond, timestamp_roots=both).holds


async def test_evidence_older_than_the_timestamp_is_refused(world: World) -> None:
    pdf = await world.signed()
    stale = world.evidence()
    world.authority.now += DAY
    pdf = await renew_pdf(pdf, timestamp=world.client, evidence=stale, roots=[ROOT_DER], at=NOW + DAY)
    with pytest.raises(ProofFailed, match="newer"):
        await renew_pdf(pdf, timestamp=world.client, evidence=stale, roots=[ROOT_DER], at=NOW + DAY)


async def test_a_revoked_authority_is_not_archived(world: World) -> None:
    pdf = await world.signed()
    now = world.authority.now + DAY
    authority = world.authority
    bad = revocation_list(
        authority.root, authority.root_der, {77: now}, number=2, made_at=now, next_at=now + DAY
    )
    with pytest.raises(ProofFailed, match="revoked"):
        await renew_pdf(pdf, timestamp=world.client, evidence=Evidence((), (bad,)), roots=[ROOT_DER], at=now)


async def test_what_does_not_check_is_not_renewed(world: World) -> None:
    pdf = bytearray(await world.signed())
    pdf[len(plain_pdf()) // 2] ^= 1
    for document in (bytes(pdf), plain_pdf(), b"%PDF-1.7 nothing"):
        with pytest.raises(BadDocument):
            await world.renewed(document, DAY, 2)


async def test_a_change_among_the_archive_timestamps_is_caught_and_named(world: World) -> None:
    pdf = await world.renewed(await world.signed(world.evidence()), DAY, 2)
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    note = DictionaryObject(
        {
            pdf_name("/Type"): pdf_name("/Annot"),
            pdf_name("/Subtype"): pdf_name("/FreeText"),
            pdf_name("/Contents"): TextStringObject("张三"),
        }
    )
    writer.root["/Pages"]["/Kids"][0]["/Annots"].append(writer.add_object(note))
    writer.mark_update(writer.root["/Pages"]["/Kids"].raw_get(0))
    out = io.BytesIO()
    writer.write(out)
    report = world.check(out.getvalue(), NOW + 2 * DAY)
    assert Change.ANNOTATION in report.changes
    assert Finding.CHANGED in report.findings


async def test_an_archive_field_that_shows_something_is_a_change(world: World) -> None:
    pdf = await world.renewed(await world.signed(), DAY, 2)
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
    field = writer.root["/AcroForm"]["/Fields"].raw_get(1)
    for number, side in enumerate((100, 100, 300, 200)):
        field.get_object()["/Rect"][number] = NumberObject(side)
    writer.mark_update(field)
    out = io.BytesIO()
    writer.write(out)
    assert Finding.CHANGED in world.check(out.getvalue(), NOW + 2 * DAY).findings


async def test_a_damaged_archive_timestamp_no_longer_vouches_for_the_end_of_the_file(world: World) -> None:
    signed = await world.signed()
    pdf = bytearray(await world.renewed(signed, DAY, 2))
    place = pdf.index(b"Archive", len(signed))
    pdf[place] ^= 0x20
    report = world.check(bytes(pdf), NOW + 2 * DAY)
    assert Finding.NOT_WHOLE_FILE in report.findings
    assert not report.timestamps[0].intact
