"""Receipts on paper: one page that says what the signed receipt inside of it says, sealed by the same key."""

import asyncio
import datetime as dt
from typing import Any, Final
from urllib.parse import urlsplit

from verify.documents.attachment import Attachment
from verify.documents.press import Press
from verify.employers.operator import OperatorSigner
from verify.errors import BadKey, Words
from verify.issuance.papers import Room, SignThere
from verify.proof.pades import sign_pdf
from verify.proof.public import KeyPurpose, PublicKey
from verify.proof.receipt import Receipt, read_receipt
from verify.store.contract import Store
from verify.store.register import list_keys

FILE: Final = "receipt.jwt"
"""Name of the signed receipt inside of the PDF."""
REASON: Final = Words("查验回执", "Verification receipt")
_TITLE: Final = Words("职业技能证书查验回执", "Receipt for the verification of a vocational certificate")
_CHINA: Final = dt.timezone(dt.timedelta(hours=8))
_VERDICTS: Final = {
    "valid": Words("有效", "valid"),
    "suspended": Words("暂停使用", "suspended"),
    "revoked": Words("已撤销", "revoked"),
    "replaced": Words("已换发新证", "replaced"),
    "unknown": Words("未查到", "not found"),
}
_ASKED: Final = {
    "name": Words("编号和姓名", "number and name"),
    "person": Words("证件和姓名", "ID document and name"),
    "scan": Words("扫码编号", "scan code"),
    "token": Words("二维码或签名记录", "QR code or signed record"),
}


class ReceiptPapers:
    """The desk that prints receipts. Safe to call concurrently; nothing is kept, a receipt prints the same again."""

    def __init__(self, store: Store, signer: OperatorSigner, room: Room, *, public_url: str) -> None:
        """`public_url` without a slash at its end."""
        self._store = store
        self._signer = signer
        self._room = room
        self._host = urlsplit(public_url).netloc

    async def pdf(self, receipt: str) -> bytes:
        """The page of a receipt that this service has just given, with the receipt inside, signed (PAdES).

        Raises BadKey when the statement key has no certificate, BadDocument, Unreadable.
        """
        claims, _ = read_receipt(receipt)
        key, signer = await self._signer.in_use()
        if key.certificate is None:
            what = Words(f"密钥 {key.kid} 没有证书。", f"Key {key.kid} has no X.509 certificate.")
            raise BadKey(what, hint="verify key create operator --purpose statement --activate")
        certificate, loop = key.certificate, asyncio.get_running_loop()
        roots = [one.certificate for one in await self._roots() if one.certificate is not None]
        data, at = (
            page_data(claims, key.owner_name, self._host),
            dt.datetime.fromtimestamp(claims.iat, dt.UTC),
        )
        signed = Attachment(
            FILE, receipt.encode(), "application/jose", Words("签名的回执", "The signed receipt"), "source"
        )

        def job(press: Press) -> bytes:
            plain = press.render_data("receipt", data, [signed], at)
            signing = sign_pdf(
                plain, signer=SignThere(signer, loop), certificate=certificate, chain=roots, signed_at=at,
                reason=REASON,
            )  # fmt: skip
            return asyncio.run(signing)

        return await self._room.work(job)

    async def _roots(self) -> list[PublicKey]:
        return [key for key in await self._store.read(list_keys) if key.purpose is KeyPurpose.ROOT]


def page_data(claims: Receipt, operator: Words, host: str) -> dict[str, Any]:
    """What the page shows: the receipt's own words and nothing else."""
    at = dt.datetime.fromisoformat(claims.as_of).astimezone(_CHINA)
    rows = (
        (Words("出具给", "given to"), claims.employer),
        (Words("查验时间", "checked at"), f"{at:%Y-%m-%d %H:%M:%S} (UTC+8)"),
        (Words("查验方式", "asked by"), _both(_ASKED[claims.asked])),
        (Words("结果", "result"), _both(_VERDICTS[claims.verdict])),
        (Words("台账位置", "ledger entry"), str(claims.seq)),
        (Words("回执编号", "receipt"), claims.jti),
        (Words("出具方", "given by"), f"{operator.zh}　{host}"),
    )
    note = Words(
        f"本回执记载当时的答复，不代表现在的状态。请在 {host} 上传本文件：系统核对签名与登记，并显示现在的状态。",
        f"This receipt tells what was answered then, not what holds now. Upload this file at {host}: the service "
        "checks its signature and its record, and shows the present status.",
    )
    return {
        "id": claims.jti,
        "title": _pair(_TITLE),
        "operator": _pair(operator),
        "about": _pair(REASON),
        "rows": [{"label": _pair(label), "value": value} for label, value in rows],
        "columns": [
            _pair(Words("证书编号", "number")),
            _pair(Words("当时的状态", "then")),
            _pair(Words("版次", "rev.")),
        ],
        "seen": [
            {"number": one.number, "verdict": _pair(_VERDICTS[one.verdict]), "revision": one.revision}
            for one in claims.answers
        ],
        "none_seen": _pair(
            Words("没有查到与所填内容相符的证书。", "No certificate matched what was entered.")
        ),
        "note": _pair(note),
        "digest_label": _pair(Words("答复的 SHA-256", "SHA-256 of the answers")),
        "digest": claims.answers_sha256,
    }


def _pair(words: Words) -> dict[str, str]:
    return {"zh": words.zh, "en": words.en or words.zh}


def _both(words: Words) -> str:
    return f"{words.zh} {words.en}"
