"""A world for the PDF tests: a rendered certificate, a foreign operator, and a timestamp authority on loopback."""

import datetime as dt
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from asn1crypto import keys, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from proof_world import AGENCY_CODE, DAY, NUMBER, PAIR, ROOT, SCAN_CODE
from pyhanko.sign.timestamps import DummyTimeStamper

from verify.certificate.record import CopyCause, Kind
from verify.documents.attachment import Attachment
from verify.documents.press import Press
from verify.documents.qr import qr_content
from verify.documents.sheet import Sheet
from verify.errors import Words
from verify.proof.authority import agency_certificate, root_certificate
from verify.proof.keys import KeyPair, generate_p256
from verify.proof.revocation import revocation_list
from verify.proof.signer import SoftSigner
from verify.proof.timestamp import TimestampClient
from verify.wiring.timestamp import http_post

NOW = dt.datetime(2012, 11, 21, 4, 40, tzinfo=dt.UTC)
"""Long ago: pyHanko's validation of the past holds its proofs against the machine's clock, and this world spans
more than a decade."""
YEAR = 365 * DAY
REASON = Words("证书颁发", "Certificate issued")
RECORD = b"eyJhbGciOiJFUzI1NiJ9.synthetic.record"
AGENCY_ENDS = NOW + 4 * YEAR
AUTHORITY_ENDS = NOW + 9 * YEAR
ROOT_ENDS = NOW + 25 * YEAR


def a_root(pair: KeyPair, name: str = "示例平台") -> bytes:
    """A root certificate, DER."""
    return root_certificate(pair, operator=name, serial=b"\1" * 16, not_before=NOW - DAY, not_after=ROOT_ENDS)


def an_agency(root: KeyPair, root_der: bytes, subject: KeyPair, code: str = AGENCY_CODE) -> bytes:
    """An agency's certificate, DER."""
    return agency_certificate(
        root,
        root_der,
        subject.key_bytes,
        agency=code,
        agency_name="某评价机构",
        serial=b"\2" * 16,
        not_before=NOW - DAY,
        not_after=AGENCY_ENDS,
    )


ROOT_DER = a_root(ROOT)
AGENCY_DER = an_agency(ROOT, ROOT_DER, PAIR)
FOREIGN_ROOT, FOREIGN = generate_p256(), generate_p256()
FOREIGN_ROOT_DER = a_root(FOREIGN_ROOT)
FOREIGN_DER = an_agency(FOREIGN_ROOT, FOREIGN_ROOT_DER, FOREIGN)
SIGNER = SoftSigner(PAIR)

SHEET = Sheet(
    kind=Kind.SKILL_LEVEL,
    name="王小明",
    id_type_words=Words("居民身份证", "PRC resident ID card"),
    id_number="990105194912310021",
    occupation_name="车工",
    occupation_code="6-18-01-01",
    work_type="--",
    level_zh="三级/高级工",
    level_en="Level 3 / Senior Worker",
    number=NUMBER,
    issued_on=dt.date(2026, 11, 20),
    agency_name_zh="某评价机构",
    agency_name_en="An assessment agency",
    copy_number=1,
    cause=CopyCause.ORIGINAL,
    host="zs.example.cn",
    scan_code=SCAN_CODE,
    qr_content=qr_content("https://zs.example.cn", SCAN_CODE, "0123456789" * 31),
    issued_at=NOW,
)


@cache
def plain_pdf() -> bytes:
    """The certificate as the press renders it, with its record attached."""
    record = Attachment("record.jwt", RECORD, "application/vc+jwt", Words("签名记录", "Signed record"))
    return Press().render_pdf(SHEET, [record])


class Authority:
    """A timestamp authority with its own root, clock and, when told, bad manners."""

    def __init__(self, name: str = "First", ends: dt.datetime = AUTHORITY_ENDS) -> None:
        self._name = name
        self._ends = ends
        self.now = NOW + dt.timedelta(seconds=5)
        self.manners = "good"
        self.asked = 0
        self.lists = 0
        self.root = generate_p256()
        self.root_der = a_root(self.root, f"{name} Timestamp Authority")
        self._key = rsa.generate_private_key(65537, 2048)
        self._der = self._certificate()

    def revocation_list(self, number: int = 1) -> bytes:
        """Its list as of its clock."""
        return revocation_list(
            self.root, self.root_der, {}, number=number, made_at=self.now, next_at=self.now + 30 * DAY
        )

    def client(self, url: str, timeout_s: float = 5.0) -> TimestampClient:
        """The client under test, trusting this authority."""
        return TimestampClient(http_post(url, timeout_s), roots=[self.root_der])

    def answer(self, body: bytes) -> bytes:
        """A DER answer to a DER question."""
        self.asked += 1
        request = tsp.TimeStampReq.load(body)
        if self.manners == "slow":
            time.sleep(1.5)
        if self.manners == "refuses":
            return b"\x30\x05" + bytes(tsp.PKIStatusInfo({"status": "rejection"}).dump())
        if self.manners == "other nonce":
            request["nonce"] = 42
        if self.manners == "no nonce":
            request = tsp.TimeStampReq({"version": "v1", "message_imprint": request["message_imprint"]})
        if self.manners == "other imprint":
            request["message_imprint"]["hashed_message"] = b"\0" * 32
        if self.manners == "garbage":
            return b"\x30\x03\x02\x01"
        if self.manners == "huge":
            return b"\0" * 100_000
        reply = bytearray(self._stamper().request_tsa_response(request).dump())
        if self.manners == "broken signature":
            reply[-5] ^= 1
        return bytes(reply)

    def _stamper(self) -> DummyTimeStamper:
        private = self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return DummyTimeStamper(
            tsa_cert=asn1_x509.Certificate.load(self._der),
            tsa_key=keys.PrivateKeyInfo.load(private),
            fixed_dt=self.now,
        )

    def _certificate(self) -> bytes:
        issuer = x509.load_der_x509_certificate(self.root_der)
        authority = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{self._name} Timestamp Unit")])
            )
            .issuer_name(issuer.subject)
            .public_key(self._key.public_key())
            .serial_number(77)
            .not_valid_before(NOW - DAY)
            .not_valid_after(self._ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
        )
        private = self.root.private
        return builder.sign(private, SHA256()).public_bytes(Encoding.DER)


@contextmanager
def serve(authority: Authority) -> Iterator[str]:
    """The authority behind real HTTP on loopback; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if authority.manners == "redirects":
                self.send_response(302)
                self.send_header("Location", self.path)
                self.end_headers()
                return
            answer = authority.answer(body)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def do_GET(self) -> None:
            self.send_response(404 if authority.manners == "no list" else 200)
            self.end_headers()
            if authority.manners != "no list":
                authority.lists += 1
                self.wfile.write(authority.revocation_list(authority.lists))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
