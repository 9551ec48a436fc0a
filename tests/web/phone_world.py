"""A site as phones see it: the real pages, lists and packs behind a small loopback server that a test can change."""

import contextlib
import datetime as dt
import http.server
import threading
from collections.abc import Iterator
from typing import Any

from web_page_samples import ASSETS, HOST, answer

from verify.certificate.record import Level
from verify.certificate.scan_code import ScanCode, new_scan_code
from verify.errors import Words
from verify.proof.digits import encode_digits
from verify.proof.keys import KeyPair, generate_p256, public_record
from verify.proof.pack import (
    Listed,
    Pack,
    assemble_manifest,
    build_manifest,
    build_pack,
    diff_packs,
    digest,
    encode_delta,
    encode_pack,
    manifest_signing_input,
)
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.signer import SoftSigner
from verify.proof.token import TokenClaims, assemble_token, to_be_signed, token_payload
from verify.proof.trust import assemble_trust_list, build_trust_list, trust_signing_input
from verify.proof.window import KeyMove, move_key
from verify.web.headers import DATA_POLICY
from verify.web.language import Lang
from verify.web.pages import PAGE_POLICY, Pages
from verify.web.shell import (
    MANIFEST_ADDRESS,
    OFFLINE_ADDRESSES,
    WORKER_ADDRESS,
    WORKER_POLICY,
    render_manifest,
    render_worker,
    root_pins,
)

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)
AGENCY = "S000035000123"
PREFIX = AGENCY + "243"
NUMBER = PREFIX + "000362"
NAME = "林巧云"
CODE: ScanCode = new_scan_code(lambda size: b"\x5a" * size)
OTHER_CODE: ScanCode = new_scan_code(lambda size: b"\xa7" * size)


def public(pair: KeyPair, purpose: KeyPurpose, owner: str, name: Words) -> PublicKey:
    pending = public_record(pair, owner=owner, owner_name=name, purpose=purpose, created_at=NOW - 40 * DAY)
    return move_key(pending, KeyMove.ACTIVATE, NOW - 30 * DAY)


ROOT, SAYER, PAIR, STOLEN, STRANGER = (generate_p256() for _ in range(5))
ROOT_KEY = public(ROOT, KeyPurpose.ROOT, "operator", Words("运营者", "Operator"))
SAYER_KEY = public(SAYER, KeyPurpose.STATEMENT, "operator", Words("运营者", "Operator"))
KEY = public(PAIR, KeyPurpose.TOKEN, AGENCY, Words("鼓楼职业技能评价中心", "Gulou Assessment Centre"))
STOLEN_KEY = move_key(
    public(STOLEN, KeyPurpose.TOKEN, AGENCY, Words("失钥机构", "Careless Agency")),
    KeyMove.COMPROMISE,
    NOW - 5 * DAY,
)
KEYS = (ROOT_KEY, SAYER_KEY, KEY, STOLEN_KEY)


def token_digits(pair: KeyPair = PAIR, *, signer: KeyPair | None = None, **changes: Any) -> str:
    """The digits of a token; `signer` signs in the place of the key that it names."""
    values: dict[str, Any] = {
        "kid": pair.kid, "issued_at": NOW - 2 * DAY, "scan_code": CODE, "number": NUMBER, "name": NAME,
        "occupation_code": "6-18-01-01", "level": Level.THREE, "id_tail": "123X",
    }  # fmt: skip
    payload = token_payload(TokenClaims(**(values | changes)))
    signature = SoftSigner(signer or pair).sign_now(to_be_signed(pair.kid, payload))
    return encode_digits(assemble_token(pair.kid, payload, signature))


def trust_list(sequence: int = 3, *, keys: tuple[PublicKey, ...] = KEYS, at: dt.datetime = NOW,
               root: KeyPair = ROOT, root_key: PublicKey = ROOT_KEY) -> bytes:  # fmt: skip
    payload = build_trust_list(keys, sequence=sequence, issued_at=at, max_age_s=7 * 24 * 3600)
    return assemble_trust_list(
        root_key, payload, SoftSigner(root).sign_now(trust_signing_input(root_key, payload))
    )


def pack(seq: int, listed: dict[str, Listed], at: dt.datetime = NOW) -> Pack:
    return build_pack([(PREFIX, 1000)], listed.items(), seq=seq, issued_at=at, max_age_s=24 * 3600)


class Site:
    """What the server answers; a test changes it while the server runs."""

    def __init__(self) -> None:
        self.pages = Pages(ASSETS, worker=WORKER_ADDRESS, root=root_pins(KEYS))
        self.trust = trust_list()
        self.answer: dict[str, Any] | None = answer(as_of=NOW.isoformat())
        self.packs: dict[str, bytes] = {}
        self.manifest = b""
        self.asked: list[str] = []
        self.origin = ""
        self.publish(pack(10, {}))

    def publish(self, new: Pack, *bases: Pack, signer: KeyPair = SAYER, key: PublicKey = SAYER_KEY) -> None:
        """A new status pack, with deltas from `bases`."""
        steps = [(encode_pack(base), encode_delta(diff_packs(base, new))) for base in bases]
        files = [encode_pack(new), *(delta for _, delta in steps)]
        self.packs |= {digest(file): file for file in files}
        payload = build_manifest(new, steps)
        signature = SoftSigner(signer).sign_now(manifest_signing_input(key, payload))
        self.manifest = assemble_manifest(key, payload, signature)

    def reply(self, path: str, query: str) -> tuple[str, bytes, str] | None:
        """Content type, body and policy for a path."""
        lang: Lang = "en" if "lang=en" in query else "zh"
        if asset := ASSETS.by_address.get(path):
            return asset.content_type, asset.body, DATA_POLICY
        if path.startswith("/packs/") and (body := self.packs.get(path[7:])):
            return "application/octet-stream", body, DATA_POLICY
        found = {
            "/trust.json": ("application/json", self.trust, DATA_POLICY),
            "/packs/status.json": ("application/json", self.manifest, DATA_POLICY),
            WORKER_ADDRESS: ("text/javascript", self._worker(), WORKER_POLICY),
            MANIFEST_ADDRESS: ("application/manifest+json", render_manifest(ASSETS), DATA_POLICY),
        }.get(path)
        if found:
            return found
        page = self._page(path, lang)
        return ("text/html; charset=utf-8", page, PAGE_POLICY) if page else None

    def _page(self, path: str, lang: Lang) -> bytes | None:
        if path == "/":
            return self.pages.render_search(lang, host=HOST)
        if path == "/offline":
            return self.pages.render_offline(lang, host=HOST)
        if path.startswith("/V/"):
            given = [self.answer] if self.answer else []
            return self.pages.render_answers(lang, host=HOST, answers=given, asked="scan", checked_at=NOW)
        return None

    def _worker(self) -> bytes:
        return render_worker(ASSETS, [self.pages.render_offline(lang, host=HOST) for lang in ("zh", "en")])


assert set(OFFLINE_ADDRESSES) == {"zh", "en"}


@contextlib.contextmanager
def serve(site: Site) -> Iterator[Site]:
    """The site on a free loopback port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            path, _, query = self.path.partition("?")
            found = site.reply(path, query)
            kind, body, policy = found or ("text/plain", b"", DATA_POLICY)
            self.send_response(200 if found else 404)
            for name, value in (("Content-Type", kind), ("Content-Security-Policy", policy),
                                ("Content-Length", str(len(body))), ("Vary", "Accept, Accept-Language"),
                                ("Cache-Control", "no-store")):  # fmt: skip
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    site.origin = f"http://127.0.0.1:{server.server_port}"
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
