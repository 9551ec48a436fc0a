"""Which of the two languages a person reads, and whether a client wants a page or data."""

from functools import lru_cache
from typing import Literal, TypeAlias

Lang: TypeAlias = Literal["zh", "en"]

_MAX_HEADER = 200
"""Longer headers are not worth reading: the default is taken."""


def pick_language(accept_language: bytes | None, query: bytes = b"") -> Lang:
    """`lang=en|zh` in the query, else `Accept-Language` (RFC 9110 §12.5.4); Chinese when nothing tells."""
    if query and (query.startswith(b"lang=") or b"&lang=" in query):
        return "en" if b"lang=en" in query else "zh"
    if not accept_language or len(accept_language) > _MAX_HEADER:
        return "zh"
    return _prefer(accept_language)


@lru_cache(maxsize=256)
def _prefer(accept_language: bytes) -> Lang:
    weights = {"zh": 0.0, "en": 0.0}
    for item in accept_language.decode("latin-1").lower().split(","):
        tag, _, parameters = item.strip().partition(";")
        language = tag.strip().partition("-")[0]
        if language in weights:
            weights[language] = max(weights[language], _weight(parameters))
    return "en" if weights["en"] > weights["zh"] else "zh"


def _weight(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def wants_page(accept: bytes | None) -> bool:
    """True for a browser: `Accept` names HTML and does not ask for JSON before it. No header means data."""
    if not accept:
        return False
    html = accept.find(b"text/html")
    if html < 0:
        return False
    data = accept.find(b"application/json")
    return data < 0 or html < data
