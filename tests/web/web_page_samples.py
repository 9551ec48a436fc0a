"""Answers and pages that the tests of the public pages share. Every person is invented."""

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verify.cases.desk import Seen, SeenAgency, SeenStep
from verify.cases.told import Answer
from verify.store.imitations import Imitation
from verify.web.assets import load_assets
from verify.web.cases.pages import CasePages
from verify.web.language import Lang
from verify.web.pages import Pages

STATIC = Path(__file__).parents[2] / "static"
HOST = "verify.example.cn"
NOW = dt.datetime(2026, 11, 21, 4, 40, tzinfo=dt.UTC)
ASSETS = load_assets(STATIC)
PAGES = Pages(ASSETS)
CHECKS = (
    "readable",
    "authentic",
    "issuer-known",
    "key-in-force",
    "matches-register",
    "current-copy",
    "status",
)
LONG_NAME = "阿卜杜热合曼·买买提依明·吐尔逊江·阿布都克力木·艾合买提江·努尔买买提·库尔班江·伊斯拉木阿"
UNDER_REVIEW = {"code": "UNDER_REVIEW", "zh": "核查期间暂停", "en": "Suspended while facts are checked"}
FRAUD = {"code": "OBTAINED_BY_FRAUD", "zh": "骗取证书", "en": "Obtained by deception"}


def answer(verdict: str = "valid", **changes: Any) -> dict[str, Any]:
    """One full answer as the API gives it, with `changes`."""
    return {
        "number": "S000035000123243000362",
        "verdict": verdict,
        "revision": 3,
        "as_of": "2026-11-21T04:40:00.123Z",
        "certificate": {
            "kind": "skill_level",
            "occupation": {"code": "6-18-01-01", "name": "车工"},
            "work_type": None,
            "level": "3",
            "agency": {
                "code": "S000035000123",
                "name": {"zh": "鼓楼职业技能评价中心", "en": "Gulou Assessment Centre"},
            },
            "issued_on": "2024-11-20",
        },
        "holder": {"name": "林巧云", "id_type": "RESIDENT_ID", "id_number_masked": "9****************X"},
        "copy": {"number": 1, "current": True, "cause": "original", "current_number": 1},
        "status": {"since": "2024-11-20T02:00:00Z", "reason": None, "until": None},
        "replaced_by": None,
        "replaces": None,
    } | changes


def checks(**outcomes: str) -> list[dict[str, str]]:
    """Every check passed, but for `outcomes`."""
    return [{"name": name, "outcome": outcomes.get(name, "passed"), "detail": ""} for name in CHECKS]


def scan(lang: Lang, given: Mapping[str, Any]) -> bytes:
    """The page of one scanned code."""
    return PAGES.render_answers(lang, host=HOST, answers=[given], asked="scan", checked_at=NOW)


def _answer_pages(lang: Lang) -> dict[str, bytes]:
    held = {"since": "2026-11-01T01:00:00Z", "reason": UNDER_REVIEW, "until": "2026-12-31T16:00:00Z"}
    ended = {"since": "2026-11-01T01:00:00Z", "reason": FRAUD, "until": None}
    old = {
        "number": 1,
        "current": False,
        "cause": "original",
        "current_number": 3,
        "ended_at": "2026-10-09T03:00:00Z",
    }
    new = {"number": 3, "current": True, "cause": "lost", "current_number": 3}
    long = {"name": LONG_NAME, "id_type": "HKMO_TRAVEL_PERMIT_NONCN", "id_number_masked": "H*******7"}
    bare = {k: v for k, v in answer().items() if k not in ("holder", "copy")}
    several = [
        answer(),
        answer("suspended", status=held | {"until": None}),
        answer("revoked"),
        {"verdict": "unavailable"},
    ]
    return {
        "valid": scan(lang, answer()),
        "suspended": scan(lang, answer("suspended", status=held)),
        "revoked": scan(lang, answer("revoked", status=ended)),
        "replaced": scan(lang, answer("replaced", replaced_by="S000035000123252000001")),
        "unavailable": scan(lang, {"verdict": "unavailable"}),
        "unknown": scan(lang, {"verdict": "unknown"}),
        "old-copy": scan(lang, answer(copy=old, replaces="S000035000123234000017")),
        "new-copy": scan(lang, answer(copy=new)),
        "long-name": scan(lang, answer(holder=long)),
        "number": PAGES.render_answers(lang, host=HOST, answers=[bare], asked="number", checked_at=NOW),
        "list": PAGES.render_answers(lang, host=HOST, answers=several, asked="person", checked_at=NOW),
    }


def _other_pages(lang: Lang) -> dict[str, bytes]:
    fault = {
        "pointer": "/number",
        "code": "number",
        "detail": {"zh": "编号应为 22 位或 16 位。", "en": "22 or 16 characters."},
    }
    bad = {
        "title": "Invalid",
        "detail": {"zh": "部分字段不符合要求。", "en": "Some fields are not acceptable."},
        "errors": [fault],
    }
    form = {"ask": "number", "number": "S0000", "name": "林巧云"}
    unreadable = {"verdict": "unknown", "checks": [{"name": "readable", "outcome": "failed", "detail": ""}]}
    forged = answer() | {"checks": checks(authentic="failed", status="skipped")}
    return {
        "search": PAGES.render_search(lang, host=HOST),
        "search-again": PAGES.render_search(lang, host=HOST, form=form, problem=bad),
        "miss": PAGES.render_miss(lang, host=HOST, asked="name", checked_at=NOW),
        "report": PAGES.render_report(
            lang, host=HOST, report=answer() | {"checks": checks()}, checked_at=NOW
        ),
        "report-forged": PAGES.render_report(lang, host=HOST, report=forged, checked_at=NOW),
        "report-unreadable": PAGES.render_report(lang, host=HOST, report=unreadable, checked_at=NOW),
        "503": PAGES.render_problem(lang, host=HOST, status=503, retry_after=5, here="/V/0123456789ABCDEF"),
        "429": PAGES.render_problem(lang, host=HOST, status=429, problem=bad, retry_after=95),
    } | {
        str(status): PAGES.render_problem(lang, host=HOST, status=status, problem=bad)
        for status in (400, 404, 405, 413, 422, 500)
    }


def _seen(state: str, **changes: Any) -> Seen:
    events = {"received": 1, "accepted": 2, "answered": 3, "closed": 4}[state]
    steps = [SeenStep(NOW, event, by) for event, by in (
        ("received", "public"), ("accepted", "agency"), ("answered", "agency"), ("closed", "system"),
    )][:events]  # fmt: skip
    agency = SeenAgency(
        "S000035000123", "福建省某某职业技能培训学校评价中心", "Fujian Skills Assessment Centre"
    )
    given: dict[str, Any] = {
        "kind": "objection", "matter": "name", "state": state, "received_at": NOW, "due_at": NOW, "agency": agency,
        "steps": tuple(steps), "answer": None,
    }  # fmt: skip
    return Seen(**(given | changes))


def _desk_pages(lang: Lang) -> dict[str, bytes]:
    pages = CasePages(PAGES, HOST)
    fault = {"pointer": "/words", "code": "too-long", "detail": "x" * 60}
    bad = {
        "title": "Invalid",
        "errors": [fault, fault | {"pointer": "/picture"}, fault | {"pointer": "/id_number"}],
    }
    typed = {
        "matter": "missing",
        "words": "一\n二",
        "number": "S" * 60,
        "name": LONG_NAME,
        "id_type": "RESIDENT_ID",
    }
    receipt = "0123-4567-89AB-CDEF-GHJK"
    answer = Answer("upheld", "原始档案如此。\n" + "长" * 200, "S000035000123252000001")
    sites = [
        Imitation("xn--vrify-bsa.example.org", NOW, "op", NOW.date(), "收取“激活费”"),
        Imitation("a" * 60 + ".verify-chaxun-renzheng.example.net", NOW, "op", NOW.date(), ""),
    ]
    return {
        "report-form": pages.report_form(lang, {}),
        "report-form-again": pages.report_form(lang, typed | {"address": "http://" + "x" * 200}, bad),
        "objection-form": pages.objection_form(lang, {}),
        "objection-form-again": pages.objection_form(lang, typed, bad),
        "case-received": pages.status(lang, _seen("received", agency=None), receipt, "/objections"),
        "case-accepted": pages.status(lang, _seen("accepted"), receipt, "/objections"),
        "case-answered": pages.status(lang, _seen("answered", answer=answer), receipt, "/objections"),
        "case-closed": pages.status(
            lang, _seen("closed", kind="report", matter="other"), receipt, "/reports"
        ),
        "case-miss": pages.no_such_receipt(lang, "/reports"),
        "imitations": pages.imitations(lang, sites),
        "imitations-none": pages.imitations(lang, []),
    }


def every_page() -> dict[str, bytes]:
    """One page of every sort in both languages, by a name that begins with the language."""
    return {
        f"{lang}-{name}": body
        for lang in ("zh", "en")
        for name, body in (_answer_pages(lang) | _other_pages(lang) | _desk_pages(lang)).items()
    }
