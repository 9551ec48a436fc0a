"""The holders' pages: what was read in, the bytes of one page out. No request, no clock."""

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import msgspec

from verify.cases.desk import Seen
from verify.cases.matters import ANSWER_WORKING_DAYS, OBJECTION_MATTERS, OUTCOMES, STATES
from verify.errors import Words
from verify.holders.links import MAX_DAYS, MAX_LABEL, MAX_OPEN, Link
from verify.store.cases import CaseKind
from verify.store.holders import Asked, Newest
from verify.web.language import Lang
from verify.web.page_words import ID_TYPES
from verify.web.pages import CHINA, Pages, answer_view

DAYS: Final = (1, 7, 30, MAX_DAYS)
"""For how long a link may work, as the page offers it."""
AT_ONCE: Final = 8
"""Lines of a list that are shown before it is folded."""

KINDS: Final = MappingProxyType(
    {
        "list": Words("用人单位批量核验", "Employer, in a list"),
        "receipt": Words("用人单位核验并留凭证", "Employer, with a receipt"),
        "sign-in": Words("登录本页面", "Sign-in to this page"),
        "document": Words("下载 PDF", "PDF downloaded"),
        "picture": Words("打开手机图片", "Phone picture opened"),
    }
)
_HOLDER_MATTERS: Final = tuple(key for key in OBJECTION_MATTERS if key != "missing")


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What every page of a session is made from."""

    place: int
    """Of the certificate in the session, from 1."""
    number: str
    until: dt.datetime
    """When the session ends."""
    token: str
    """For the forms."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """What the page of one certificate shows."""

    answer: Mapping[str, Any] | None
    """Of the last copy, as the public gets it; None when it may not see it."""
    newest: Newest
    links: Sequence[Link]
    listed: bool
    asked: Sequence[Asked]
    objections: int
    others: Sequence[tuple[int, str, Mapping[str, Any] | None]]
    """Place, number and public answer of the session's other certificates."""
    now: dt.datetime


class HolderPages:
    """Renders with the templates and assets of `Pages`."""

    def __init__(self, pages: Pages, host: str, public_url: str) -> None:
        """`host` is shown on every page; links begin with `public_url`."""
        self._pages = pages
        self._host = host
        self._public_url = public_url

    def sign_in(
        self,
        lang: Lang,
        token: str,
        said: str = "",
        form: Mapping[str, str] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The form for number, name and document. `said`: `missed`, `over`, `left`, `refused` or nothing.

        The number, the name and the document's type are filled in again. The document's number never is.
        """
        form = form or {}
        return self._render(
            lang,
            "holder_signin.html",
            "/holder",
            token=token,
            said=said,
            filled={name: form.get(name, "") for name in ("number", "name")}
            | {"id_type": form.get("id_type", "RESIDENT_ID")},
            errors=_errors(problem),
            id_types=[{"id": key, "word": _say(words, lang)} for key, words in ID_TYPES.items()],
        )

    def home(
        self, lang: Lang, held: Held, home: Home, label: str = "", problem: Mapping[str, Any] | None = None
    ) -> bytes:
        """One certificate and everything that its holder may do; after a refused link with what is wrong."""
        asked = [
            {"day": one.day, "what": _say(KINDS[one.kind], lang), "times": one.times} for one in home.asked
        ]
        return self._held(
            lang,
            "holder_home.html",
            held,
            "",
            one=answer_view(home.answer, lang, home.now) if home.answer else None,
            newest=home.newest,
            links=[self._link(one, home.now) for one in home.links],
            days=[{"days": n, "until": _day(home.now + dt.timedelta(days=n))} for n in DAYS],
            max_label=MAX_LABEL,
            max_open=MAX_OPEN,
            listed=home.listed,
            asked=asked,
            at_once=AT_ONCE,
            objections=home.objections,
            others=[_other(place, number, answer, lang, home.now) for place, number, answer in home.others],
            label=label,
            errors=_errors(problem),
            detail=_detail(problem),
        )

    def link(self, lang: Lang, held: Held, link: Link, qr_png: bytes, now: dt.datetime) -> bytes:
        """One link: its address, its code, how to end it."""
        source = "data:image/png;base64," + base64.b64encode(qr_png).decode()
        return self._held(
            lang, "holder_link.html", held, f"/links/{link.id}", link=self._link(link, now), qr=source
        )

    def picture(self, lang: Lang, held: Held) -> bytes:
        """The picture for a phone, to be kept by a long press."""
        return self._held(lang, "holder_picture.html", held, "/picture")

    def objections(
        self,
        lang: Lang,
        held: Held,
        seen: Sequence[Seen],
        form: Mapping[str, str] | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> bytes:
        """What the holder objected to and how it stands, and the form for more."""
        form = form or {}
        return self._held(
            lang,
            "holder_objections.html",
            held,
            "/objections",
            matters=[{"id": key, "word": _say(OBJECTION_MATTERS[key], lang)} for key in _HOLDER_MATTERS],
            filled={name: form.get(name, "") for name in ("matter", "words")},
            errors=_errors(problem),
            detail=_detail(problem),
            cases=[_case(one, lang) for one in seen],
            answer_days=ANSWER_WORKING_DAYS,
        )

    def _link(self, link: Link, now: dt.datetime) -> dict[str, Any]:
        ended = link.withdrawn_at is not None
        return {
            "id": link.id,
            "address": f"{self._public_url}/S/{link.code}",
            "label": link.label,
            "until": _minute(link.expires_at),
            "state": "withdrawn" if ended else "over" if now >= link.expires_at else "open",
        }

    def _held(self, lang: Lang, template: str, held: Held, below: str, **values: Any) -> bytes:
        base = f"/holder/{held.place}"
        until = held.until.astimezone(CHINA).strftime("%H:%M")
        return self._render(
            lang,
            template,
            base + below,
            base=base,
            number=held.number,
            token=held.token,
            ends=until,
            **values,
        )

    def _render(self, lang: Lang, template: str, here: str, **values: Any) -> bytes:
        return self._pages.render(lang, template, host=self._host, here=here, **values)


def _other(
    place: int, number: str, answer: Mapping[str, Any] | None, lang: Lang, now: dt.datetime
) -> dict[str, Any]:
    view = answer_view(answer, lang, now) if answer else None
    return {"place": place, "number": number, "view": view}


def _case(seen: Seen, lang: Lang) -> dict[str, str]:
    answer = seen.answer
    outcome = OUTCOMES[CaseKind.OBJECTION].get(answer.outcome) if answer else None
    due = seen.due_at - dt.timedelta(seconds=1) if seen.due_at else None
    return {
        "matter": _say(OBJECTION_MATTERS[seen.matter], lang),
        "state": _say(STATES[seen.state], lang),
        "received": _minute(seen.received_at),
        "due": _day(due) if due and answer is None else "",
        "outcome": _say(outcome, lang) if outcome else "",
        "words": answer.words if answer else "",
        "number": (answer.number or "") if answer else "",
    }


def _errors(problem: Mapping[str, Any] | None) -> dict[str, str]:
    """Messages by the id of the input that they belong to."""
    return {
        fault["pointer"].lstrip("/").replace("_", "-"): fault["detail"]
        for fault in (problem or {}).get("errors", ())
    }


def _detail(problem: Mapping[str, Any] | None) -> str:
    found = problem or {}
    return found.get("detail") or found.get("title") or ""


def _say(words: Words, lang: Lang) -> str:
    return words.zh if lang == "zh" else words.en


def _minute(at: dt.datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M (UTC+8)")


def _day(at: dt.datetime) -> str:
    return at.astimezone(CHINA).date().isoformat()
