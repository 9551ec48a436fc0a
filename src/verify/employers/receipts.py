"""Signed receipts: one answer, recorded and then signed, that anybody can check later."""

import datetime as dt
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from verify.employers.operator import OperatorSigner
from verify.employers.questions import Found, Question, ask
from verify.lookup.check import Checker
from verify.lookup.scan import Lookup
from verify.proof.receipt import (
    RECEIPT_TYPE,
    Receipt,
    Seen,
    assemble_signed,
    canonical_digest,
    operator_signing_input,
)
from verify.proof.sealing import DataKeys
from verify.store.contract import Program, Store, run
from verify.store.employers import GivenReceipt, add_receipt
from verify.store.journal import Origin
from verify.store.register import Credential

_encode = msgspec.json.Encoder().encode


class Signed(msgspec.Struct, frozen=True):
    """A receipt and the answers that it is about."""

    receipt: str
    """Compact JWS, `verification-receipt+jwt`."""
    claims: Receipt
    answers: tuple[bytes, ...]


class Receipts:
    """The desk for receipts. Safe to call concurrently."""

    def __init__(
        self,
        store: Store,
        lookup: Lookup,
        checker: Checker,
        signer: OperatorSigner,
        *,
        data_keys: DataKeys,
        public_url: str,
        now: Callable[[], dt.datetime],
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """`public_url` without a slash at its end; `now` gives aware UTC."""
        self._store = store
        self._lookup = lookup
        self._checker = checker
        self._signer = signer
        self._keys = data_keys
        self._public_url = public_url
        self._now = now
        self._random = random

    async def give(self, question: Question, credential: Credential) -> Signed:
        """Ask, record that a receipt is given, sign, in this order; a miss gets a receipt too.

        Raises Invalid or ProofFailed for what cannot be asked, BadKey, Unavailable.
        """
        # 1. The ledger's place comes first: the answer is true at some instant after it.
        seq = await self._store.read(_ledger_seq, snapshot=False)
        found = await ask(question, self._lookup, self._checker)
        # 2. What will be signed is fixed, and recorded before anything is signed.
        claims = self._claims(found, credential.name, seq)
        payload = _encode(claims)
        given = GivenReceipt(
            claims.jti, credential.id, hashlib.sha256(payload).digest(),
            dt.datetime.fromtimestamp(claims.iat, dt.UTC),
        )  # fmt: skip
        tag = self._keys.request_tag(b"receipt\0" + _encode(question))
        tally = Counter(seen.number for seen in claims.answers)
        origin = Origin(credential.id, self._now(), tag)
        await self._store.write(lambda: add_receipt(given, tag, tally, origin))
        # 3. Signed with the operator's key in use now, and read back.
        message, signature = await self._signer.sign(
            lambda key: operator_signing_input(key, RECEIPT_TYPE, payload)
        )
        return Signed(assemble_signed(message, signature), claims, found.answers)

    def _claims(self, found: Found, employer: str, seq: int) -> Receipt:
        shown = [msgspec.json.decode(answer) for answer in found.answers]
        return Receipt(
            iss=self._public_url,
            jti=f"rc_{self._random(12).hex()}",
            iat=int(self._now().timestamp()),
            employer=employer,
            asked=found.asked,
            verdict=found.verdict,
            as_of=found.as_of,
            seq=seq,
            answers_sha256=canonical_digest(shown),
            answers=_seen(shown),
        )


def _seen(shown: Sequence[dict[str, object]]) -> tuple[Seen, ...]:
    return msgspec.convert(
        [{name: one[name] for name in ("number", "verdict", "revision")} for one in shown], tuple[Seen, ...]
    )


def _ledger_seq() -> Program[int]:
    ((seq,),) = yield from run("read_seq")
    return int(seq)
