"""The public pages: an answer in, the bytes of one page out.

Pure functions of their arguments: no request, no clock, no settings, and no status code is chosen here. Every
page is whole without JavaScript and obeys `PAGE_POLICY`. Only named parts of an answer are shown; a part that
the asker may not see is absent from the answer and leaves no trace on the page.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode

from minijinja import Environment, safe

from verify.certificate.occupation import NO_WORK_TYPE
from verify.certificate.reason import REASONS
from verify.certificate.record import Agency, Filing, Kind
from verify.errors import Words
from verify.store.history import Turn
from verify.store.journal import from_micros
from verify.web.assets import Assets
from verify.web.language import Lang
from verify.web.page_words import CAUSES, ID_TYPES, KINDS, LEVELS, TURNS
from verify.web.understanding import agency_of, number_parts

Asked: TypeAlias = Literal["scan", "number", "name", "person"]
"""What the asker brought: a scan code, a number alone, number + name, or name + identity document."""
Answer: TypeAlias = Mapping[str, Any]
"""One decoded answer of the API."""

PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy that every page is written for: no inline style, no inline script."""

TEMPLATES: Final = Path(__file__).parent / "templates"
VERDICTS: Final = frozenset({"valid", "suspended", "revoked", "replaced", "unknown", "unavailable"})
OUTCOMES: Final = frozenset({"passed", "failed", "skipped"})
CHINA: Final = dt.timezone(dt.timedelta(hours=8))
"""China Standard Time, UTC+8 without daylight saving."""

NO_TURNS: Final[Mapping[str, Sequence[Turn]]] = MappingProxyType({})

_BOTH = re.compile(r"\[\[(.*?) \|\| (.*?)\]\]", re.DOTALL)
_PROVEN = (
    "authentic", "issuer-known", "key-in-force", "matches-register", "document-signature", "document-unchanged",
    "face-matches",
)  # fmt: skip
"""Checks about the document itself: when one failed, the register's verdict is not this document's."""


class Pages:
    """Every public page in both languages; make one per process, it may be used from any thread."""

    def __init__(self, assets: Assets, *, worker: str = "", root: str = "") -> None:
        """Compile the templates.

        `worker` is the address of the service worker; without one the pages keep nothing on phones. `root` pins
        root keys for phones that see the site for the first time (`shell.root_pins`); without it they pin those
        that the trust list names. Raises: KeyError when a file that the pages name is missing from `assets`.
        """
        self._rooms = {lang: _open_templates(assets, lang, worker) for lang in ("zh", "en")}
        self.root = root
        """May be set anew when the root changes. The offline page has none: it is the same for ever."""

    def render_search(
        self,
        lang: Lang,
        *,
        host: str,
        form: Mapping[str, str] | None = None,
        problem: Mapping[str, Any] | None = None,
        checks_address: str = "/checks",
    ) -> bytes:
        """Search page; after a refused search with its `form` and `problem` (RFC 9457).

        The certificate number, the name and the ID type are filled in again. The ID number never is.
        """
        form = form or {}
        person = form.get("ask") == "person"
        return self._render(
            lang,
            "search.html",
            host=host,
            here="/",
            checks_address=checks_address,
            filled=_filled(form, person),
            errors=_field_errors(problem, lang, person) if problem else {},
            detail=_problem_detail(problem, lang) if problem else "",
            id_types=[{"id": key, "word": _say(words, lang)} for key, words in ID_TYPES.items()],
        )

    def render_answers(
        self,
        lang: Lang,
        *,
        host: str,
        answers: Sequence[Answer],
        asked: Asked,
        checked_at: dt.datetime,
        turns: Mapping[str, Sequence[Turn]] = NO_TURNS,
        typed: str = "",
        read_as: Sequence[Words] = (),
        scanned: str = "",
    ) -> bytes:
        """One answer as a verification page, several as a list; none as the miss page.

        `checked_at` (aware) stands in for an answer without `as_of`. `turns`: what happened to each number,
        as far as it is told. `typed`, `scanned`: see `render_miss`. `read_as`: how slips in what was typed were read.
        Raises: ValueError on a verdict outside the closed set.
        """
        if not answers:
            return self.render_miss(
                lang,
                host=host,
                asked=asked,
                checked_at=checked_at,
                typed=typed,
                read_as=read_as,
                scanned=scanned,
            )
        views = [_answer_view(answer, lang, asked, checked_at, turns) for answer in answers]
        return self._render(
            lang,
            "answers.html",
            host=host,
            here=_here(asked),
            asked=asked,
            scanned=scanned,
            read_as=[_say(words, lang) for words in read_as],
            views=views,
            one=views[0] if len(views) == 1 else None,
            last=next((view for view in views if view["verdict"] != "unavailable"), views[0]),
        )

    def render_miss(
        self,
        lang: Lang,
        *,
        host: str,
        asked: Asked,
        checked_at: dt.datetime,
        typed: str = "",
        read_as: Sequence[Words] = (),
        scanned: str = "",
    ) -> bytes:
        """Nothing found: the same bytes for every miss of one kind at one instant, whatever missed.

        `typed`, a canonical number, is taken apart by the rule for its owner to compare: that tells what was
        typed, never what the register holds. `scanned`, a canonical scan code, goes with the form that reports it.
        """
        parts, faults = number_parts(typed) if typed else ([], ())
        return self._render(
            lang,
            "miss.html",
            host=host,
            here=_here(asked),
            asked=asked,
            view=_answer_view({"verdict": "unknown"}, lang, asked, checked_at),
            parts=[
                {"characters": p.characters, "label": _say(p.label, lang),
                 "meaning": _say(p.meaning, lang) if p.meaning else ""}
                for p in parts
            ],
            faults=[_say(fault.detail, lang) for fault in faults],
            typed=typed,
            scanned=scanned,
            agency=(agency_of(typed) or "") if typed else "",
            read_as=[_say(words, lang) for words in read_as],
        )  # fmt: skip

    def render_problem(
        self,
        lang: Lang,
        *,
        host: str,
        status: int,
        problem: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
        here: str = "/",
    ) -> bytes:
        """A request that got no answer. `retry_after` in seconds; `here`: a path that a GET may repeat.

        With status 503 it is the page of the verdict `unavailable`, in the same words.
        """
        problem = problem or {}
        return self._render(
            lang,
            "problem.html",
            host=host,
            here=here,
            status=status,
            retry=status in (429, 503),
            challenge=problem.get("challenge") or "",
            detail=_problem_detail(problem, lang),
            errors=[_text(fault.get("detail"), lang) for fault in problem.get("errors", ())],
            wait=_wait(retry_after, lang) if retry_after else "",
        )

    def render_report(
        self, lang: Lang, *, host: str, report: Mapping[str, Any], checked_at: dt.datetime
    ) -> bytes:
        """The checks of a file or token, one by one, below a verdict that never says more than they do.

        Raises: ValueError on a verdict or outcome outside its closed set.
        """
        checks = [_check_view(check, lang) for check in report.get("checks", ())]
        view = _answer_view(report, lang, "scan", checked_at)
        kind = _report_kind(view["verdict"], checks)
        sentence = view["sentence"] if kind == view["verdict"] else ""
        if kind == "unavailable":
            view["verdict"] = kind
        if report.get("results"):  # an employer's list: no certificate's status stands on this page
            kind, sentence = "authentic", view["sentence"]
        return self._render(
            lang,
            "report.html",
            host=host,
            here="/",
            asked="scan",
            view=view,
            checks=checks,
            kind=kind,
            by_eye=_only_by_eye(checks),
            sentence=sentence,
            receipt=report.get("receipt"),
            results=report.get("results"),
        )

    def render_agencies(
        self, lang: Lang, *, host: str, agencies: Sequence[Agency], total: int, query: str, more: bool
    ) -> bytes:
        """Some of the `total` agencies that `query` finds, and the way to the next ones when there are `more`."""
        following = {"lang": lang, "q": query, "after": agencies[-1].code} if more and agencies else {}
        return self._render(
            lang,
            "agencies.html",
            host=host,
            here="/agencies",
            agencies=[_agency_view(agency, lang) for agency in agencies],
            total=total,
            query=query,
            next=urlencode(following),
        )

    def render_agency(self, lang: Lang, *, host: str, agency: Agency, filings: Sequence[Filing]) -> bytes:
        """One agency: state, contact, and what it may assess."""
        return self._render(
            lang,
            "agency.html",
            host=host,
            here=f"/agencies/{agency.code}",
            agency=_agency_view(agency, lang),
            filings=[_filing_view(filing, agency.kind, lang) for filing in filings],
        )

    def render_share(
        self,
        lang: Lang,
        *,
        host: str,
        answer: Answer,
        label: str,
        until: dt.datetime,
        checked_at: dt.datetime,
    ) -> bytes:
        """What a holder's link shows: the full public face as it is now, who shared it, and until when (aware)."""
        return self._render(
            lang,
            "holder_share.html",
            host=host,
            here="",
            one=_answer_view(answer, lang, "scan", checked_at),
            label=label,
            until=_china_time(until),
        )

    def render_offline(self, lang: Lang, *, host: str) -> bytes:
        """The page that a phone keeps for when there is no network: the same for every certificate."""
        levels = [
            {"id": f"{kind}-{level}", "word": _say(words, lang)}
            for kind, table in LEVELS.items()
            for level, words in table.items()
        ]
        return self._render(lang, "offline.html", host=host, here="/", levels=levels, root="")

    def render(self, lang: Lang, template: str, *, host: str, here: str, **values: Any) -> bytes:
        """A page whose values another module has made; `here`: see `render_problem`."""
        return self._render(lang, template, host=host, here=here, **values)

    def _render(self, lang: Lang, template: str, **values: Any) -> bytes:
        values.setdefault("root", self.root)
        return self._rooms[lang].render_template(template, **values).encode()


def _open_templates(assets: Assets, lang: str, worker: str) -> Environment:
    """Templates with every `[[中文 || English]]` already decided, so that no page looks words up."""
    group = 1 if lang == "zh" else 2
    templates = {
        path.name: _BOTH.sub(lambda both: both.group(group), path.read_text(encoding="utf-8"))
        for path in TEMPLATES.glob("*.html")
    }
    icons = {
        name.removeprefix("icons/").removesuffix(".svg"): safe(assets.text(name))
        for name in assets.by_name
        if name.startswith("icons/")
    }
    room = Environment(templates=templates, undefined_behavior="strict", debug=False, trim_blocks=True)
    room.add_global("worker", worker)
    room.add_global("icon", icons.__getitem__)
    room.add_global("asset", {name: asset.address for name, asset in assets.by_name.items()}.__getitem__)
    return room


def _here(asked: Asked) -> str:
    """Where a GET shows the same thing again: the page's own path after a scan, else the search page."""
    return "" if asked == "scan" else "/"


# --- one answer -----------------------------------------------------------------------------------------


def answer_view(answer: Answer, lang: Lang, checked_at: dt.datetime) -> dict[str, Any]:
    """An answer with everything that the public may see of it, as the templates take it.

    Raises: ValueError on a verdict outside the closed set.
    """
    return _answer_view(answer, lang, "name", checked_at)


def _answer_view(
    answer: Answer,
    lang: Lang,
    asked: Asked,
    checked_at: dt.datetime,
    turns: Mapping[str, Sequence[Turn]] = NO_TURNS,
) -> dict[str, Any]:
    """The parts of an answer that a page shows, as text. A number alone never shows the holder."""
    verdict = answer["verdict"]
    if verdict not in VERDICTS:
        raise ValueError(f"no such verdict: {verdict!r}")
    status = answer.get("status") or {}
    as_of = _instant(answer.get("as_of")) or checked_at
    personal = asked != "number"
    return {
        "verdict": verdict,
        "number": answer.get("number") or "",
        "sentence": _text(answer.get("message"), lang),
        "as_of": _china_time(as_of),
        "as_of_utc": as_of.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "since": _moment(status.get("since")),
        "until": _moment(status.get("until")),
        "reason": _text(status.get("reason"), lang),
        "face": _face_view(answer.get("certificate"), lang),
        "holder": _holder_view(answer.get("holder"), lang) if personal else None,
        "copy": _copy_view(answer, lang, asked) if personal else None,
        "history": _history_view(turns.get(answer.get("number") or "", ()), answer, lang) if personal else [],
        "claims": _claims_view(answer) if personal else None,
        "replaces": answer.get("replaces") or "",
        "replaced_by": answer.get("replaced_by") or "",
    }


def _face_view(face: Mapping[str, Any] | None, lang: Lang) -> dict[str, str] | None:
    if not face:
        return None
    kind, level = face.get("kind", ""), face.get("level", "")
    occupation, occupation_code = _named(face.get("occupation"), lang)
    agency, agency_code = _named(face.get("agency"), lang)
    return {
        "kind": _say(KINDS[kind], lang) if kind in KINDS else kind,
        "occupation": occupation,
        "occupation_code": occupation_code,
        "work_type": face.get("work_type") or "--",
        "level": _say(LEVELS[kind][level], lang) if level in LEVELS.get(kind, ()) else level,
        "agency": agency,
        "agency_code": agency_code,
        "issued_on": face.get("issued_on") or "",
    }


def _holder_view(holder: Mapping[str, Any] | None, lang: Lang) -> dict[str, str] | None:
    if not holder:
        return None
    id_type = holder.get("id_type", "")
    return {
        "name": holder.get("name", ""),
        "id_type": _say(ID_TYPES[id_type], lang) if id_type in ID_TYPES else id_type,
        "id_number": holder.get("id_number_masked", ""),
    }


def _claims_view(answer: Answer) -> dict[str, str] | None:
    """What a signed code says too, as the register has it: for the comparison on the phone."""
    face, holder = answer.get("certificate"), answer.get("holder")
    if not face or not holder:
        return None
    occupation = face.get("occupation")
    return {
        "number": answer.get("number") or "",
        "name": holder.get("name", ""),
        "occupation_code": str(occupation.get("code") or "") if isinstance(occupation, Mapping) else "",
        "level": face.get("level", ""),
    }


def _copy_view(answer: Answer, lang: Lang, asked: Asked) -> dict[str, Any] | None:
    copy = answer.get("copy")
    if not copy:
        return None
    number, current_number = copy["number"], copy.get("current_number")
    scanned = asked == "scan"
    return {
        "number": number,
        "current": copy["current"],
        "current_number": current_number,
        "ended_on": _moment(copy.get("ended_at"))[:10],
        "steps": [
            {
                "number": step["number"],
                "why": _cause(step, lang),
                "issued_on": _moment(step.get("issued_at"))[:10],
                "ended_on": _moment(step.get("ended_at"))[:10],
                "here": scanned and step["number"] == number,
                "current": step.get("state") == "current",
            }
            for step in answer.get("copies") or _known_copies(copy)
        ],
    }


def _known_copies(copy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What one copy tells of the others, where they are not listed."""
    number, last = copy["number"], copy.get("current_number") or copy["number"]
    known = {1: {"cause": "original"}, last: {}, number: {**copy}}
    recalled = number == last and not copy["current"]
    return [
        {**known[step], "number": step, "state": "current" if step == last and not recalled else ""}
        for step in sorted(known)
    ]


def _history_view(turns: Sequence[Turn], answer: Answer, lang: Lang) -> list[dict[str, str]]:
    """The changes of status up to the answer's revision; nothing where the issue is all that happened."""
    told = [turn for turn in turns if turn.event in TURNS and turn.revision <= answer.get("revision", 0)]
    if len(told) < 2:
        return []
    return [
        {
            "at": _china_time(from_micros(turn.at)),
            "event": turn.event,
            "word": _say(TURNS[turn.event], lang),
            "reason": _say(REASONS[turn.reason].words, lang) if turn.reason in REASONS else "",
            "until": _china_time(from_micros(turn.until)) if turn.until is not None else "",
        }
        for turn in told
    ]


def _cause(copy: Mapping[str, Any], lang: Lang) -> str:
    cause = copy.get("cause") or "original"
    return _say(CAUSES[cause], lang) if cause in CAUSES else ""


# --- a report -------------------------------------------------------------------------------------------


def _check_view(check: Mapping[str, Any], lang: Lang) -> dict[str, str]:
    if check["outcome"] not in OUTCOMES:
        raise ValueError(f"no such outcome: {check['outcome']!r}")
    return {
        "name": check["name"],
        "outcome": check["outcome"],
        "detail": _text(check.get("detail"), lang),
    }


def _report_kind(verdict: str, checks: Sequence[Mapping[str, str]]) -> str:
    """The heading of a report: a document that is not proven never wears its certificate's verdict."""
    outcomes = {check["name"]: check["outcome"] for check in checks}
    if any(outcomes.get(name) == "failed" for name in _PROVEN):
        return "unconfirmed"
    if outcomes.get("readable") == "failed":
        return "unreadable"
    if verdict == "valid" and outcomes.get("status", "passed") != "passed":
        return "unavailable"
    return verdict


def _only_by_eye(checks: Sequence[Mapping[str, str]]) -> bool:
    """Whether a picture was brought, whose code alone was checked: its page never wears a plain verdict."""
    outcomes = {check["name"]: check["outcome"] for check in checks}
    return outcomes.get("face-matches") == "skipped" and outcomes.get("document-signature") != "passed"


# --- the register of agencies ----------------------------------------------------------------------------


def _agency_view(agency: Agency, lang: Lang) -> dict[str, str]:
    reason = REASONS.get(agency.reason or "")
    return {
        "code": agency.code,
        "name": (agency.name_zh if lang == "zh" else agency.name_en) or agency.name_zh,
        "kind": _say(KINDS[agency.kind], lang),
        "state": agency.state,
        "since": _china_time(agency.since)[:10],
        "reason": _say(reason.words, lang) if reason else agency.reason or "",
        "contact": agency.contact or "",
    }


def _filing_view(filing: Filing, kind: Kind, lang: Lang) -> dict[str, str]:
    between = "、" if lang == "zh" else ", "
    words = LEVELS[kind]
    return {
        "occupation": filing.occupation.name,
        "code": filing.occupation.code,
        "levels": between.join(_say(words[x], lang) if x in words else x for x in filing.levels),
        "work_types": between.join(one for one in filing.work_types if one != NO_WORK_TYPE),
        "from_on": filing.from_on.isoformat(),
        "to_on": filing.to_on.isoformat() if filing.to_on else "",
    }


# --- forms and problems ---------------------------------------------------------------------------------


def _filled(form: Mapping[str, str], person: bool) -> dict[str, str]:
    name = form.get("name", "")
    return {
        "number": form.get("number", ""),
        "name": "" if person else name,
        "person_name": name if person else "",
        "id_type": form.get("id_type", "RESIDENT_ID"),
    }


def _field_errors(problem: Mapping[str, Any], lang: Lang, person: bool) -> dict[str, str]:
    """Messages by the id of the input they belong to; the name stands in two forms."""
    ids = {"/name": "person-name" if person else "name", "/id_type": "id-type", "/id_number": "id-number"}
    return {
        ids.get(fault["pointer"], fault["pointer"].lstrip("/")): _text(fault.get("detail"), lang)
        for fault in problem.get("errors", ())
    }


def _problem_detail(problem: Mapping[str, Any], lang: Lang) -> str:
    return _text(problem.get("detail"), lang) or _text(problem.get("title"), lang)


def _wait(seconds: int, lang: Lang) -> str:
    """A wait in words, rounded up, so that nobody comes back too early."""
    if seconds < 60:
        return f"{seconds} 秒" if lang == "zh" else f"{seconds} s"
    minutes = -(-seconds // 60)
    if minutes < 120:
        return f"{minutes} 分钟" if lang == "zh" else f"{minutes} min"
    hours = -(-minutes // 60)
    return f"{hours} 小时" if lang == "zh" else f"{hours} h"


# --- words and times ------------------------------------------------------------------------------------


def _say(words: Words, lang: Lang) -> str:
    return words.zh if lang == "zh" else words.en


def _text(value: Any, lang: Lang) -> str:
    """A sentence that came as plain text or in both languages; empty when there is none."""
    if isinstance(value, Mapping):
        return str(value.get(lang) or value.get("zh") or value.get("en") or "")
    return str(value) if value else ""


def _named(value: Any, lang: Lang) -> tuple[str, str]:
    """Name and code of an occupation or agency, given as an object or as its name alone."""
    if not isinstance(value, Mapping):
        return _text(value, lang), ""
    name = value.get("name") or value.get(f"name_{lang}") or value.get("name_zh") or value
    return _text(name, lang), str(value.get("code") or "")


def _instant(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None


def _moment(text: str | None) -> str:
    instant = _instant(text)
    return _china_time(instant) if instant else ""


def _china_time(instant: dt.datetime) -> str:
    """`2026-11-21 12:40:00 (UTC+8)`: China time with its offset, in any language."""
    return instant.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S (UTC+8)")
