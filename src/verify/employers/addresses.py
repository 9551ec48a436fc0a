"""Which addresses this service may call because an employer named them, and which it never calls.

An address that a stranger names is the classic way to make a server ask its own neighbours. So a name is resolved
once, every address is judged by `is_refused`, and only the judged address is connected to.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from verify.errors import Fault, Invalid, Words

MAX_URL: Final = 1000
PORTS: Final = (443, 8443)
"""No other: this service is no port scanner."""

_URL = re.compile(
    r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[::1\])(?::([0-9]{1,5}))?"
    r"((?:/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?)((?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?)"
)
_LITERAL = re.compile(r"[0-9.]+")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")
_REFUSED = tuple(
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's metadata, on an address that looks public
        "192.88.99.0/24",  # 6to4 relays
        "::ffff:0:0/96",  # IPv4 in disguise, as are the next five
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2001::/32",
        "2002::/16",
        "5f00::/16",  # segment routing
        "fec0::/10",  # the old site-local
    )
)


def parse_target(text: str, *, loopback: bool) -> str:
    """The address as it will be called and signed: https, a name, port 443 or 8443, no user, no fragment.

    With `loopback` (development and tests) http and any port of this very machine are fine too. Raises Invalid.
    """
    match = _URL.fullmatch(text) if len(text) <= MAX_URL else None
    if match is None:
        raise _unfit()
    scheme, host, port, path, query = match.groups()
    host = host.lower()
    here = loopback and host in _LOOPBACK_NAMES
    if not here and (scheme != "https" or _LITERAL.fullmatch(host) or host.startswith("[") or ".." in host):
        raise _unfit()
    number = int(port) if port else {"https": 443, "http": 80}[scheme]
    if not here and number not in PORTS:
        raise _unfit()
    shown = "" if number == {"https": 443, "http": 80}[scheme] else f":{number}"
    return f"{scheme}://{host}{shown}{path or '/'}{query}"


def host_of(url: str) -> str:
    """The name in a parsed address, for people and log lines: a path may be a secret of its owner."""
    return urlsplit(url).netloc


def is_refused(address: str, *, loopback: bool) -> bool:
    """Whether an IP address must not be connected to: all but global unicast, and what only looks like it.

    Private, loopback, link-local (with the metadata services), carrier-grade NAT, multicast, reserved,
    documentation; IPv4 inside IPv6 in every way there is. Anything that is no address is refused.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return True
    if loopback and ip.is_loopback:
        return False
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_link_local or ip.is_private:
        return True
    return any(ip.version == network.version and ip in network for network in _REFUSED)


def _unfit() -> Invalid:
    what = Words(
        "回调地址应为 https:// 开头的域名网址，端口 443 或 8443，不含用户名、片段或空格。",
        "A webhook is an https address with a name, port 443 or 8443, without user, fragment or spaces.",
    )
    return Invalid(faults=(Fault("/url", "webhook-url", what),))
