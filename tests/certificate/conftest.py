"""The small world of these tests: one agency of each kind, filed for every occupation of the sample."""

import datetime as dt

import pytest
from certificate_tables import rows

from verify.certificate.record import Agency, AgencyState, Filing, Kind, Level, Occupation

SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def today() -> dt.date:
    return dt.date(2026, 11, 25)


@pytest.fixture
def school_board() -> Agency:
    """A social organisation filed in Jiangsu."""
    name = "江苏甲培训评价中心"
    return Agency(
        "S000032000123", Kind.SKILL_LEVEL, name, "Jiangsu First Assessment", AgencyState.ACTIVE, SINCE
    )


@pytest.fixture
def employer() -> Agency:
    return Agency("Y000044000456", Kind.SKILL_LEVEL, "广东乙厂", "Guangdong Works", AgencyState.ACTIVE, SINCE)


@pytest.fixture
def state_station() -> Agency:
    return Agency("10012003", Kind.QUALIFICATION, "南京鉴定站", "Nanjing Station", AgencyState.ACTIVE, SINCE)


@pytest.fixture
def filings() -> list[Filing]:
    return [
        Filing(
            f"F{i}", "", Occupation(row["code"], row["name_zh"]), tuple(Level), (), dt.date(2020, 1, 1), None
        )
        for i, row in enumerate(rows("occupations_sample"))
    ]
