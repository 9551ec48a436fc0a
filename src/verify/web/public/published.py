"""Public objects that anybody may keep: hashed static files, the trust list, the JWKS, what a problem type means."""

import gzip
from typing import Final

from verify.errors import NotFound
from verify.proof.trust import jwks
from verify.store import register
from verify.web.assets import Assets
from verify.web.headers import HeaderLists
from verify.web.public.half import PublicHalf
from verify.web.reply import Reply, Scope, header

KEYS_MAX_AGE_S: Final = 60
"""A compromised key must be seen as one within a minute by whoever caches the list."""
FOR_EVER: Final = "public, max-age=31536000, immutable"
WORTH_PACKING_BYTES: Final = 1024

ROBOTS: Final = b"User-agent: *\nDisallow: /\n"


class StaticFiles:
    """Every asset as a finished answer, packed and plain, in memory."""

    def __init__(self, assets: Assets, headers: HeaderLists) -> None:
        """Pack each file once."""
        self._plain: dict[str, Reply] = {}
        self._packed: dict[str, Reply] = {}
        for address, asset in assets.by_address.items():
            listed = [*headers.cached(asset.content_type, FOR_EVER), (b"vary", b"Accept-Encoding")]
            self._plain[address] = Reply(200, listed, asset.body)
            packed = gzip.compress(asset.body, 9, mtime=0)
            if len(asset.body) >= WORTH_PACKING_BYTES and len(packed) < len(asset.body):
                self._packed[address] = Reply(200, [*listed, (b"content-encoding", b"gzip")], packed)

    def reply(self, scope: Scope, path: str) -> Reply:
        """The file at `path`. Raises NotFound."""
        plain = self._plain.get(path)
        if plain is None:
            raise NotFound
        packed = self._packed.get(path)
        if packed is not None and b"gzip" in (header(scope, b"accept-encoding") or b""):
            return packed
        return plain


async def trust_list(half: PublicHalf) -> Reply:
    """`GET /trust.json`: the newest signed list. Raises NotFound while none is published, Unavailable."""
    found = await half.opening.now().store.read(register.last_trust_list)
    if found is None:
        raise NotFound
    return Reply(200, half.headers.cached("application/json", _keys_policy()), found.document)


async def key_set(half: PublicHalf) -> Reply:
    """`GET /.well-known/jwks.json`: public keys, retired ones included (RFC 7517)."""
    keys = await half.opening.now().store.read(register.list_keys)
    return Reply(200, half.headers.cached("application/jwk-set+json", _keys_policy()), jwks(keys))


def _keys_policy() -> str:
    return f"public, max-age={KEYS_MAX_AGE_S}"


def robots(half: PublicHalf) -> Reply:
    """`GET /robots.txt`: nothing here is for search engines."""
    return Reply(200, half.headers.cached("text/plain; charset=utf-8", "public, max-age=86400"), ROBOTS)
