"""What can be told, how a case stands and how it ends, in words; and how long each may take. Data only."""

import datetime as dt
from types import MappingProxyType
from typing import Final

from verify.errors import Words
from verify.store.cases import CaseKind

REPORT_MATTERS: Final = MappingProxyType(
    {
        "fake-certificate": Words("假证书", "A fake certificate"),
        "edited-certificate": Words("改动过的证书或截图", "A certificate or screenshot that was edited"),
        "imitation-website": Words("假冒本站的网站", "A website that imitates this one"),
        "other": Words("其他", "Something else"),
    }
)

OBJECTION_MATTERS: Final = MappingProxyType(
    {
        "missing": Words("查不到我的证书", "My certificate cannot be found"),
        "name": Words("姓名有误", "The name is wrong"),
        "document": Words("证件类型或号码有误", "The identity document is wrong"),
        "occupation": Words("职业、工种或等级有误", "Occupation, work type or level is wrong"),
        "date": Words("颁发日期有误", "The date of issue is wrong"),
        "photo": Words("照片有误", "The photo is wrong"),
        "status": Words("证书状态有误", "The status is wrong"),
        "other": Words("其他", "Something else"),
    }
)

MATTERS: Final = MappingProxyType({CaseKind.REPORT: REPORT_MATTERS, CaseKind.OBJECTION: OBJECTION_MATTERS})

STATES: Final = MappingProxyType(
    {
        "received": Words("已收到", "Received"),
        "accepted": Words("正在处理", "Being looked at"),
        "answered": Words("已答复", "Answered"),
        "closed": Words("已办结", "Closed"),
    }
)

OUTCOMES: Final = MappingProxyType(
    {
        CaseKind.REPORT: MappingProxyType(
            {
                "confirmed": Words("情况属实", "Confirmed"),
                "not-confirmed": Words("未能查实", "Not confirmed"),
                "passed-on": Words("已移交有关部门", "Passed on to the authority concerned"),
            }
        ),
        CaseKind.OBJECTION: MappingProxyType(
            {
                "upheld": Words("异议成立，已更正", "Upheld and corrected"),
                "refused": Words("异议不成立", "Not upheld"),
            }
        ),
    }
)
"""How an answer ends a case; each answer has its reasons in words beside it."""

ANSWER_WORKING_DAYS: Final = 15
"""An objection is answered within so many working days: GB/T 35273-2020 §8.7 allows thirty days for a person's request
about their data, and fifteen working days stay within them even across the longest public holiday."""

CLOSED_AFTER: Final = dt.timedelta(days=60)
"""An answer stands open so long and is then closed: reconsideration is asked for within sixty days (Administrative
Reconsideration Law art. 20)."""

KEPT_AFTER_CLOSING: Final = dt.timedelta(days=184)
"""Then a case is deleted. Six months is the time for going to court (Administrative Litigation Law art. 46); longer
nothing is kept (Personal Information Protection Law art. 19)."""

CHINA: Final = dt.timezone(dt.timedelta(hours=8))


def due_after(at: dt.datetime) -> dt.datetime:
    """The end, in China, of the last working day for an answer; `at` is aware.

    Working days are Monday to Friday: public holidays are not known here, so the date is never later than the rule's.
    """
    day, left = at.astimezone(CHINA).date(), ANSWER_WORKING_DAYS
    while left:
        day += dt.timedelta(days=1)
        left -= day.weekday() < 5
    return dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), CHINA).astimezone(dt.UTC)
