"""What the public pages call things: kinds, levels, copies, identity documents. Data only."""

from types import MappingProxyType
from typing import Final

from verify.certificate.identity import ID_TYPES as DOCUMENTS
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

TURNS: Final = MappingProxyType(
    {
        "issued": Words("颁发，有效", "Issued, valid"),
        "suspended": Words("暂停使用", "Suspended"),
        "reinstated": Words("恢复有效", "Valid again"),
        "revoked": Words("撤销", "Revoked"),
        "replaced": Words("由新证书代替", "Replaced by a new certificate"),
    }
)
"""What happened to a certificate's status; new copies are told in the chain."""

ID_TYPES: Final = MappingProxyType({key: row.words for key, row in DOCUMENTS.items()})
"""In the order of the search form: the commonest first."""
