"""The desk's pages: views in, the bytes of one page out. No request, no clock."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final

from verify.cases.desk import Seen
from verify.cases.imitations import readable
from verify.cases.matters import ANSWER_WORKING_DAYS, KEPT_AFTER_CLOSING, MATTERS, OUTCOMES, STATES
from verify.errors import Words
from verify.store.cases import CaseKind
from verify.store.imitations import Imitation
from verify.web.language import Lang
from verify.web.page_words import ID_TYPES
from verify.web.pages import CHINA, Pages

_IDS: Final = {"id_type": "id-type", "id_number": "id-number"}
_NEVER_BACK: Final = frozenset({"id_number"})
"""An ID number that was typed is not written back, not even to whoever typed it."""
_LIMITS: Final = {"kept_days": KEPT_AFTER_CLOSING.days, "answer_days": ANSWER_WORKING_DAYS}


class CasePages:
    """Renders with the templates and assets of `Pages`."""

    def __init__(self, pages: Pages, host: str) -> None:
        """`host` is shown on every page."""
        self._pages = pages
        self._host = host

    def report_form(
        self, lang: Lang, form: Mapping[str, str], problem: Mapping[str, Any] | None = None
    ) -> bytes:
        """The form for a report; after a refused one with what was typed and what is wrong."""
        return self._form(lang, "case_report.html", "/reports", CaseKind.REPORT, form, problem)

    def objection_form(
        self, lang: Lang, form: Mapping[str, str], problem: Mapping[str, Any] | None = None
    ) -> bytes:
        """The form for an objection, likewise."""
        return self._form(lang, "case_objection.html", "/objections", CaseKind.OBJECTION, form, problem)

    def status(self, lang: Lang, seen: Seen, receipt: str, path: str) -> bytes:
        """How the case behind `receipt` (as printed) stands."""
        kind = CaseKind(seen.kind)
        answer = seen.answer
        view = {
            "kind": seen.kind,
            "matter": _say(MATTERS[kind].get(seen.matter), lang),
            "state": seen.state,
            "state_word": _say(STATES[seen.state], lang),
            "received_at": _time(seen.received_at),
            "due_on": _last_day(seen.due_at) if seen.due_at else "",
            "agency": _name(seen, lang),
            "agency_code": seen.agency.code if seen.agency else "",
            "steps": [{"at": _time(step.at), "event": step.event, "by": step.by} for step in seen.steps],
            "outcome": _say(OUTCOMES[kind].get(answer.outcome), lang) if answer else "",
            "words": answer.words if answer else "",
            "number": (answer.number or "") if answer else "",
        }
        here = f"{path}/{receipt}"
        return self._pages.render(
            lang,
            "case_status.html",
            host=self._host,
            here=here,
            case=view,
            receipt=receipt,
            path=path,
            **_LIMITS,
        )

    def no_such_receipt(self, lang: Lang, path: str) -> bytes:
        """The same bytes for every receipt that leads nowhere."""
        return self._pages.render(
            lang, "case_status.html", host=self._host, here=path, case=None, receipt="", path=path, **_LIMITS
        )

    def imitations(self, lang: Lang, sites: Sequence[Imitation]) -> bytes:
        """Known imitation sites, and how they work."""
        views = [
            {"domain": site.domain, "shown": readable(site.domain), "seen_on": site.seen_on.isoformat(),
             "note": site.note}
            for site in sites
        ]  # fmt: skip
        return self._pages.render(
            lang,
            "imitations.html",
            host=self._host,
            here="/imitations",
            sites=views,
            name=self._host.partition(":")[0],
        )

    def _form(
        self,
        lang: Lang,
        template: str,
        here: str,
        kind: CaseKind,
        form: Mapping[str, str],
        problem: Mapping[str, Any] | None,
    ) -> bytes:
        faults = (problem or {}).get("errors", ())
        pointers = ((fault["pointer"].lstrip("/"), fault["detail"]) for fault in faults)
        return self._pages.render(
            lang,
            template,
            host=self._host,
            here=here,
            filled={name: text for name, text in form.items() if name not in _NEVER_BACK},
            errors={_IDS.get(name, name): detail for name, detail in pointers},
            detail=(problem or {}).get("detail") or (problem or {}).get("title") or "",
            matters=[{"id": key, "word": _say(words, lang)} for key, words in MATTERS[kind].items()],
            id_types=[{"id": key, "word": _say(words, lang)} for key, words in ID_TYPES.items()],
            **_LIMITS,
        )


def _say(words: Words | None, lang: Lang) -> str:
    return "" if words is None else words.zh if lang == "zh" else words.en


def _name(seen: Seen, lang: Lang) -> str:
    agency = seen.agency
    if agency is None:
        return ""
    return agency.name_zh if lang == "zh" or not agency.name_en else agency.name_en


def _time(at: dt.datetime) -> str:
    return at.astimezone(CHINA).strftime("%Y-%m-%d %H:%M (UTC+8)")


def _last_day(due_at: dt.datetime) -> str:
    return (due_at.astimezone(CHINA) - dt.timedelta(seconds=1)).date().isoformat()
