"""Whose request it is, for budgets: the socket's peer, or what trusted proxies say of it."""

import ipaddress
from functools import lru_cache
from typing import Final

from verify.web.reply import Scope

UNKNOWN: Final = "unknown"


def source_of(scope: Scope, trusted_proxies: int) -> str:
    """The client's address: an IPv4 address, or the /64 of an IPv6 one, which is what one household holds.

    Each proxy appends the peer it saw to X-Forwarded-For, so the entry of the outermost of `trusted_proxies`
    is that many from the right; whatever stands further left was written by the client. With fewer entries
    than that, somebody went round a proxy: the socket's peer counts.
    """
    peer = scope.get("client")
    address = peer[0] if peer else UNKNOWN
    if trusted_proxies > 0:
        entries = [
            entry.strip()
            for key, value in scope["headers"]
            if key == b"x-forwarded-for"
            for entry in value.decode("latin-1").split(",")
        ]
        if len(entries) >= trusted_proxies:
            address = entries[-trusted_proxies]
    return _fold(address)


@lru_cache(maxsize=4096)
def _fold(text: str) -> str:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return UNKNOWN
    if isinstance(address, ipaddress.IPv4Address):
        return text
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
