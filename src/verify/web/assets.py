"""The files under `static/`: read once, named by their content, so that browsers may keep them for ever."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import msgspec

HASH_CHARS = 12
"""48 bits of SHA-256 in a file's public name: enough to tell versions of one file apart."""

CONTENT_TYPES = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".svg": "image/svg+xml",
        ".png": "image/png",
        ".ico": "image/x-icon",
        ".webmanifest": "application/manifest+json",
    }
)


class Asset(msgspec.Struct, frozen=True):
    """One file as it is served: the same address never has another content."""

    address: str
    """`/static/site.<hash>.css`."""
    content_type: str
    body: bytes


class Assets(msgspec.Struct, frozen=True):
    """Every public file, by its plain name and by its address."""

    by_name: Mapping[str, Asset]
    """`site.css` → asset; names use `/` for folders."""
    by_address: Mapping[str, Asset]
    """What a request path is looked up in; anything else is a 404."""

    def address(self, name: str) -> str:
        """Public address of the file `name`. Raises: KeyError when there is no such file."""
        return self.by_name[name].address

    def text(self, name: str) -> str:
        """Content of the file `name`, for marks that stand inside a page. Raises: KeyError."""
        return self.by_name[name].body.decode().strip()


def load_assets(static_dir: Path) -> Assets:
    """Read every servable file below `static_dir`.

    Files of a type that `CONTENT_TYPES` does not list are left out, so a stray note is never published.

    Raises: FileNotFoundError when the folder is missing.
    """
    if not static_dir.is_dir():
        raise FileNotFoundError(f"no folder of static files at {static_dir}")
    files = sorted(path for path in static_dir.rglob("*") if path.is_file() and path.suffix in CONTENT_TYPES)
    by_name = {path.relative_to(static_dir).as_posix(): _load_asset(static_dir, path) for path in files}
    by_address = {asset.address: asset for asset in by_name.values()}
    return Assets(MappingProxyType(by_name), MappingProxyType(by_address))


def _load_asset(static_dir: Path, path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()[:HASH_CHARS]
    named = path.relative_to(static_dir).with_suffix(f".{digest}{path.suffix}")
    return Asset(f"/static/{named.as_posix()}", CONTENT_TYPES[path.suffix], body)
