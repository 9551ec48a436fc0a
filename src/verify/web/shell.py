"""What lets the site live on a phone: the service worker, the manifest, and the pinned root keys. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from verify.proof.public import KeyPurpose, KeyState, PublicKey, to_jwk
from verify.web.assets import Assets

WORKER_ADDRESS: Final = "/sw.js"
MANIFEST_ADDRESS: Final = "/manifest.webmanifest"
OFFLINE_ADDRESSES: Final[Mapping[str, str]] = {"zh": "/offline?lang=zh", "en": "/offline?lang=en"}
"""Where the worker fetches the offline page (`Pages.render_offline`) of each language."""

WORKER_POLICY: Final = "default-src 'none'; connect-src 'self'"
"""The Content-Security-Policy of the worker's script: it decides what the worker itself may fetch."""

_KEPT: Final = (
    "site.css",
    "mark.svg",
    "proof.js",
    "pack.js",
    "phone.js",
    "verify.js",
    "offline.js",
    "scan.js",
)


def render_worker(assets: Assets, offline_pages: Iterable[bytes]) -> bytes:
    """The service worker: one line with what it keeps, then `sw.js`.

    Its bytes change when a kept file or offline page does, and so phones notice. Serve it at WORKER_ADDRESS with
    `Cache-Control: no-cache` and WORKER_POLICY.
    """
    files = [assets.address(name) for name in _KEPT] + [assets.address("app/icon-192.png")]
    seen = hashlib.sha256()
    for part in (*(name.encode() for name in files), assets.by_name["sw.js"].body, *offline_pages):
        seen.update(hashlib.sha256(part).digest())
    shell = {"version": seen.hexdigest()[:12], "files": files, "pages": OFFLINE_ADDRESSES}
    return b"const SHELL = " + msgspec.json.encode(shell) + b";\n" + assets.by_name["sw.js"].body


def render_manifest(assets: Assets) -> bytes:
    """The web app manifest with the addresses of its icons."""
    manifest = msgspec.json.decode(assets.by_name["manifest.webmanifest"].body)
    for icon in manifest["icons"]:
        icon["src"] = assets.address(icon["src"])
    return msgspec.json.encode(manifest)


def root_pins(keys: Iterable[PublicKey]) -> str:
    """The operator's roots that are not compromised, as `Pages` takes them: `x.y`, with a blank between two."""
    roots = [k for k in keys if k.purpose is KeyPurpose.ROOT and k.state is not KeyState.COMPROMISED]
    jwks = [to_jwk(key.alg, key.key_bytes) for key in roots]
    return " ".join(f"{jwk.x}.{jwk.y}" for jwk in jwks)
