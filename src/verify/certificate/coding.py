"""Every letter and digit that a number gives a meaning, each with its source, in one place.

The two schemes have their own place tables on purpose: the 22-character number uses GB/T 2260 (32 = Jiangsu),
the 16-digit number an older table of the labour ministry (10 = Jiangsu, 72 = tobacco). They must never meet.
`verified=False` marks a value that no published text confirms: change it here when one is found.
"""

from typing import Final

import msgspec

from verify.certificate.record import Level
from verify.certificate.sources import (
    LEVELS_RULE,
    NUMBER_RULE_16,
    NUMBER_RULE_22,
    NUMBER_RULE_SPECIAL,
    PROVINCE_STANDARD,
    SKILL_MEASURES,
)
from verify.errors import Words


class Code(msgspec.Struct, frozen=True):
    """One value of one part of a number."""

    code: str
    words: Words
    source: str
    verified: bool = True


FIRST_YEAR_22: Final = 2019
"""The 22-character rule began in 2019: two digits yy mean the year in 2019…2118 that ends in yy."""
FIRST_YEAR_16: Final = 1990
"""The 16-digit numbers run from the 1990s: two digits yy mean the year in 1990…2089 that ends in yy."""

AGENCY_CLASSES: Final[dict[str, Code]] = {
    "Y": Code("Y", Words("用人单位", "Employer"), NUMBER_RULE_22),
    "S": Code("S", Words("社会培训评价组织", "Social training and assessment organisation"), NUMBER_RULE_22),
    # 第二条 names technical schools as a third class, the coding rule of 2019 lists only Y and S.
    "J": Code("J", Words("技工院校", "Technical school"), SKILL_MEASURES + "第二条", verified=False),
}
"""Position 1 of a 22-character number."""

LEVEL_CODES_22: Final[dict[str, tuple[Level, Code]]] = {
    "5": (Level.FIVE, Code("5", Words("五级", "level 5"), NUMBER_RULE_22)),
    "4": (Level.FOUR, Code("4", Words("四级", "level 4"), NUMBER_RULE_22)),
    "3": (Level.THREE, Code("3", Words("三级", "level 3"), NUMBER_RULE_22)),
    "2": (Level.TWO, Code("2", Words("二级", "level 2"), NUMBER_RULE_22)),
    "1": (Level.ONE, Code("1", Words("一级", "level 1"), NUMBER_RULE_22)),
    # The rule says two letters and twenty digits; that the second stands at position 16 follows, because every
    # other part is numeric. Which letter it is stands in no text that was found.
    "T": (Level.SPECIAL, Code("T", Words("特级", "special grade"), NUMBER_RULE_SPECIAL, verified=False)),
    # Level.CHIEF has no coding: no rule was found. An agency must bring a number for it.
}
"""Position 16 of a 22-character number."""

LEVEL_CODES_16: Final[dict[str, tuple[Level, Code]]] = {
    digit: (level, Code(digit, code.words, NUMBER_RULE_16))
    for digit, (level, code) in LEVEL_CODES_22.items()
    if digit.isdigit()
}
"""Position 11 of a 16-digit number."""

STATION_KINDS_16: Final[dict[str, Code]] = {
    "0": Code("0", Words("职业技能鉴定（指导）中心", "Skill testing (guidance) centre"), NUMBER_RULE_16),
    "1": Code("1", Words("国家职业技能鉴定所", "National skill testing station"), NUMBER_RULE_16),
    "2": Code("2", Words("地方职业技能鉴定站", "Local skill testing station"), NUMBER_RULE_16),
    "3": Code("3", Words("行业特有工种职业技能鉴定站", "Industry-specific testing station"), NUMBER_RULE_16),
    "4": Code(
        "4",
        Words("工人考核委员会或企业内职业技能鉴定单位", "Worker assessment committee or in-enterprise unit"),
        NUMBER_RULE_16,
    ),
}
"""Position 7 of a 16-digit number."""

_GB = (
    "11 北京市 Beijing,12 天津市 Tianjin,13 河北省 Hebei,14 山西省 Shanxi,15 内蒙古自治区 Inner-Mongolia,"
    "21 辽宁省 Liaoning,22 吉林省 Jilin,23 黑龙江省 Heilongjiang,31 上海市 Shanghai,32 江苏省 Jiangsu,"
    "33 浙江省 Zhejiang,34 安徽省 Anhui,35 福建省 Fujian,36 江西省 Jiangxi,37 山东省 Shandong,41 河南省 Henan,"
    "42 湖北省 Hubei,43 湖南省 Hunan,44 广东省 Guangdong,45 广西壮族自治区 Guangxi,46 海南省 Hainan,"
    "50 重庆市 Chongqing,51 四川省 Sichuan,52 贵州省 Guizhou,53 云南省 Yunnan,54 西藏自治区 Tibet,"
    "61 陕西省 Shaanxi,62 甘肃省 Gansu,63 青海省 Qinghai,64 宁夏回族自治区 Ningxia,65 新疆维吾尔自治区 Xinjiang"
)
_GB_UNSEEN = "71 台湾省 Taiwan,81 香港特别行政区 Hong-Kong,82 澳门特别行政区 Macao"
# 66 is not in GB/T 2260 but many systems of the human-resources departments use it.
_GB_EXTRA = "66 新疆生产建设兵团 Xinjiang-Production-and-Construction-Corps"


def _places(text: str, source: str, verified: bool) -> dict[str, Code]:
    rows = (entry.split(" ") for entry in text.split(","))
    return {c: Code(c, Words(zh, en.replace("-", " ")), source, verified) for c, zh, en in rows}


PROVINCES_22: Final[dict[str, Code]] = (
    _places(_GB, PROVINCE_STANDARD, verified=True)
    | _places(_GB_UNSEEN, PROVINCE_STANDARD, verified=False)
    | _places(_GB_EXTRA, NUMBER_RULE_22, verified=False)
)
"""Positions 6–7 of a 22-character number and the first two of a resident ID: GB/T 2260."""

_OLD_ORDER = (
    "01 北京 Beijing,02 天津 Tianjin,03 河北 Hebei,04 山西 Shanxi,05 内蒙古 Inner-Mongolia,06 辽宁 Liaoning,"
    "07 吉林 Jilin,08 黑龙江 Heilongjiang,09 上海 Shanghai,11 浙江 Zhejiang,12 安徽 Anhui,13 福建 Fujian,"
    "14 江西 Jiangxi,15 山东 Shandong,16 河南 Henan,17 湖北 Hubei,18 湖南 Hunan,19 广东 Guangdong,"
    "20 广西 Guangxi,21 海南 Hainan,22 重庆 Chongqing,23 四川 Sichuan,24 贵州 Guizhou,25 云南 Yunnan,"
    "26 西藏 Tibet,27 陕西 Shaanxi,28 甘肃 Gansu,29 青海 Qinghai,30 宁夏 Ningxia,31 新疆 Xinjiang,"
    "32 新疆生产建设兵团 Xinjiang-Production-and-Construction-Corps"
)

AUTHORITIES_16: Final[dict[str, Code]] = _places(_OLD_ORDER, NUMBER_RULE_16, verified=False) | _places(
    "10 江苏 Jiangsu,72 烟草行业 Tobacco-industry", NUMBER_RULE_16, verified=True
)
"""Positions 3–4 of a 16-digit number: the labour ministry's own table, of which only 10 and 72 are confirmed.
The full table was not found, so a code that is not here is a warning and never a refusal."""

VARIANT_20: Final = "R + G|S|C|X + N|W + 6 region + 3 sequence + 2 year + 1 level + 5 serial"
"""A 20-character scheme of unknown origin seen on one page; recognised, never issued."""

SPECIAL_GRADES: Final = frozenset({Level.SPECIAL, Level.CHIEF})
"""Set by employers above level 1 (《职业技能等级证书管理办法》第七条)."""
SPECIAL_GRADES_SOURCE: Final = LEVELS_RULE


def level_code(table: dict[str, tuple[Level, Code]], level: Level) -> str | None:
    """The character that stands for `level` in `table`, or None when the rule gives it none."""
    return next((code for code, (known, _) in table.items() if known is level), None)
