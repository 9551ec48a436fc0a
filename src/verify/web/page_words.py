"""What the public pages call things: kinds, levels, copies, identity documents. Data only."""

from types import MappingProxyType
from typing import Final

from verify.certificate.level import LEVELS as FACE_LEVELS
from verify.errors import Words

KINDS: Final = MappingProxyType(
    {
        "skill_level": Words("职业技能等级证书", "Vocational skill level certificate"),
        "qualification": Words("职业资格证书", "Vocational qualification certificate"),
    }
)

LEVELS: Final = MappingProxyType(
    {
        "skill_level": {str(level): row.skill_level for level, row in FACE_LEVELS.items()},
        "qualification": {
            str(level): row.qualification for level, row in FACE_LEVELS.items() if row.qualification
        },
    }
)
"""Wording on the face, by kind and level as the API writes them."""

CAUSES: Final = MappingProxyType(
    {
        "original": Words("", ""),
        "lost": Words("（遗失补发）", " (issued after loss)"),
        "damaged": Words("（损坏补发）", " (issued after damage)"),
        "corrected": Words("（更正信息后补发）", " (issued with corrected data)"),
    }
)
"""Why a copy was made (seed001 art. 17), ready to stand behind its number."""

ID_TYPES: Final = MappingProxyType(
    {
        "RESIDENT_ID": Words("居民身份证", "PRC resident ID card"),
        "RESIDENT_ID_15": Words("居民身份证（15 位旧号）", "PRC resident ID, 15 digits"),
        "HKMO_RESIDENCE_PERMIT": Words("港澳居民居住证", "Residence permit for Hong Kong/Macao residents"),
        "TW_RESIDENCE_PERMIT": Words("台湾居民居住证", "Residence permit for Taiwan residents"),
        "HKMO_TRAVEL_PERMIT": Words(
            "港澳居民来往内地通行证", "Mainland travel permit for Hong Kong/Macao residents"
        ),
        "HKMO_TRAVEL_PERMIT_NONCN": Words(
            "港澳居民来往内地通行证（非中国籍）",
            "Mainland travel permit for Hong Kong/Macao residents (non-Chinese)",
        ),
        "TW_TRAVEL_PERMIT": Words("台湾居民来往大陆通行证", "Mainland travel permit for Taiwan residents"),
        "PASSPORT": Words("护照", "Passport"),
        "FOREIGN_PR_ID_2023": Words(
            "外国人永久居留身份证（2023 版）", "Foreign permanent resident ID (2023 version)"
        ),
        "FOREIGN_PR_ID_OLD": Words(
            "外国人永久居留身份证（旧版）", "Foreign permanent resident ID (old version)"
        ),
        "MILITARY_ID": Words("军官证/军人证", "Military ID"),
        "HOUSEHOLD_REGISTER": Words("户口簿", "Household register"),
        "OTHER": Words("其他证件", "Other document"),
    }
)
"""In the order of the search form: the commonest first."""
