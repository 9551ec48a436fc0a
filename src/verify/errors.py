"""Every error of the product on one page.

Each class has a `code` that never changes: it is the metric label and the last part of the problem type.
The class docstring is the message when nothing more exact is known. HTTP status codes live in `web` alone.
"""

from collections.abc import Sequence
from typing import ClassVar

import msgspec


class Words(msgspec.Struct, frozen=True):
    """One sentence for people, in both languages that the product speaks."""

    zh: str
    en: str

    def join(self, other: "Words") -> "Words":
        """Both sentences, one after the other."""
        return Words(self.zh + other.zh, f"{self.en} {other.en}")


class Fault(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing wrong with one field of a request."""

    pointer: str
    """JSON pointer (RFC 6901) into the request; CSV readers map it to a column."""
    code: str
    """Stable, kebab-case."""
    detail: Words
    """What is wrong and what would be accepted."""
    source: str = ""
    """The clause of the law, standard or rule behind it."""


class VerifyError(Exception):
    """Something went wrong. 出现错误。"""

    code: ClassVar[str] = "error"
    about: str = ""
    """Which dependency of the service it tells of, by the name that `/readyz` uses."""

    def __init__(self, detail: Words | None = None, *, hint: str = "", faults: Sequence[Fault] = ()) -> None:
        """Carry `detail` for people, `hint` (the command to run) for operators, `faults` field by field."""
        self.detail = detail or self._default()
        self.hint = hint
        self.faults = tuple(faults)
        super().__init__(self.detail.en)

    @classmethod
    def _default(cls) -> Words:
        en, _, zh = (cls.__doc__ or "").strip().splitlines()[0].rpartition(". ")
        return Words(zh=zh, en=en + ".")


# --- what the caller sent -------------------------------------------------------------------------------


class Malformed(VerifyError):
    """The request cannot be read. 请求无法解析。"""

    code = "malformed"


class Invalid(VerifyError):
    """Some fields are not acceptable; each is listed. 部分字段不符合要求，详见各项说明。"""

    code = "invalid"


class TooLarge(VerifyError):
    """The request is larger than this address accepts. 请求内容超过允许的大小。"""

    code = "too-large"


class TooSlow(VerifyError):
    """The request body did not arrive in time. 请求内容未能及时送达。"""

    code = "too-slow"


class NotAllowed(VerifyError):
    """This address does not know this method. 该地址不支持此请求方法。"""

    code = "method-not-allowed"
    allow = ""
    """What it knows, as a list."""


class UnsupportedMedia(VerifyError):
    """This content type is not accepted here. 不支持该内容类型。"""

    code = "unsupported-media"


class Unauthenticated(VerifyError):
    """A valid API key is needed. 需要有效的接口密钥。"""

    code = "unauthenticated"


class Forbidden(VerifyError):
    """This API key may not do that. 该接口密钥无此权限。"""

    code = "forbidden"


class OutOfScope(VerifyError):
    """The agency's filing does not cover this occupation, level and date. 超出机构备案的职业、等级或有效期。"""

    code = "out-of-scope"


class AgencyBlocked(VerifyError):
    """This agency is suspended or cancelled and cannot issue. 该机构已暂停或取消备案，不能颁发证书。"""

    code = "agency-blocked"


class NotFound(VerifyError):
    """Nothing here answers to that. 未找到相应内容。"""

    code = "not-found"


class Conflict(VerifyError):
    """The record is not in a state that allows this. 当前状态不允许该操作。"""

    code = "conflict"


class ForbiddenArrow(Conflict):
    """This change of status is not allowed from the present one. 当前证书状态不允许该变更。"""

    code = "forbidden-arrow"


class Duplicate(Conflict):
    """The same person already holds this certificate in this batch. 同一批次中该人员已有相同证书。"""

    code = "duplicate"


class KeyReused(VerifyError):
    """This idempotency key was used for another request body. 该幂等键已用于内容不同的请求。"""

    code = "idempotency-key-reused"


class TooMany(VerifyError):
    """Too many requests; try again later. 请求过于频繁，请稍后再试。"""

    code = "too-many"


# --- what the service itself lacks ----------------------------------------------------------------------


class Unavailable(VerifyError):
    """The present state could not be established; nothing is said about any certificate. 暂时无法核验，这不代表证书无效。"""

    code = "unavailable"


class StoreFailed(Unavailable):
    """The database did not confirm; the outcome is unknown. 数据库未确认，结果未知。"""

    code = "store-failed"


class NotReady(VerifyError):
    """This installation is not ready. 系统尚未就绪。"""

    code = "not-ready"


class BadSettings(VerifyError):
    """A setting is wrong. 配置有误。"""

    code = "bad-settings"


# --- proof ----------------------------------------------------------------------------------------------


class ProofFailed(VerifyError):
    """A proof does not hold. 验证未通过。"""

    code = "proof-failed"


class Unreadable(ProofFailed):
    """This is not a code of this service, or it is damaged. 无法识别，或内容已损坏。"""

    code = "unreadable"


class BadSignature(ProofFailed):
    """The signature does not match the content. 签名与内容不符。"""

    code = "bad-signature"


class UnknownKey(ProofFailed):
    """The signing key is not in the trust list. 签名密钥不在信任列表中。"""

    code = "unknown-key"


class BadKey(VerifyError):
    """A key file cannot be used. 密钥文件无法使用。"""

    code = "bad-key"


class LedgerBroken(VerifyError):
    """The ledger does not agree with itself. 台账不一致。"""

    code = "ledger-broken"


class BadDocument(VerifyError):
    """The document cannot be made from this data. 无法用该数据生成证书文件。"""

    code = "bad-document"
