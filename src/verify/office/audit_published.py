"""Fifth part of the audit: what is handed to every reader, the newest trust list and the newest status pack.

Both are signed: by a key of the operator in its window, over what the register's own columns say of them. What older
ones said is read by nobody, but a file is its digest as long as it can be fetched.
"""

from collections.abc import Sequence

from verify.errors import VerifyError
from verify.office.findings import Findings
from verify.proof.pack import (
    DeltaFile,
    PackFile,
    build_pack,
    check_file,
    decode_pack,
    digest,
    encode_pack,
    verify_manifest,
    without_place,
)
from verify.proof.pack import Manifest as Signed
from verify.proof.public import OPERATOR, KeyPurpose, PublicKey, by_kid
from verify.proof.trust import verify_trust_list
from verify.proof.window import in_force
from verify.store import packs, register
from verify.store.contract import Program, run
from verify.store.packs import Manifest

FILES = 8
"""Pack files in memory at once; one may be megabytes."""


def audit_published(keys: Sequence[PublicKey], seq: int, findings: Findings) -> Program[None]:
    """Check both, with the register's own `keys`, in a snapshot whose ledger ends at `seq`."""
    yield from _trust_list(keys, findings)
    manifest = yield from packs.last_manifest()
    if manifest is not None:
        yield from _pack(manifest, keys, seq, findings)
    yield from _files(findings)


def _trust_list(keys: Sequence[PublicKey], findings: Findings) -> Program[None]:
    last = yield from register.last_trust_list()
    if last is None or not last.issued_at.timestamp():
        return  # a restore keeps the number alone, and a new list is due at once
    roots = [key for key in keys if key.owner == OPERATOR and key.purpose is KeyPurpose.ROOT]
    standing = by_kid(key for key in roots if key.compromised_at is None and in_force(key, last.issued_at))
    where = f"trust list {last.sequence}"
    try:
        signed = verify_trust_list(last.document, standing, now=last.issued_at)
    except VerifyError:
        zh, en = (
            "最新的信任列表没有有效的根签名。",
            "The newest trust list has no signature of a root in its window.",
        )
        findings.add("trust-list-signature", where, zh, en)
        return
    pairs: dict[str, tuple[object, object]] = {
        "sequence": (last.sequence, signed.sequence),
        "issued_at": (last.issued_at.replace(microsecond=0), signed.issued_at),
    }  # fmt: skip
    _differ("trust-list-signature", where, pairs, findings)


def _pack(manifest: Manifest, keys: Sequence[PublicKey], seq: int, findings: Findings) -> Program[None]:
    where = f"pack {manifest.seq}"
    try:
        signed = verify_manifest(manifest.document, by_kid(keys), now=manifest.issued_at)
    except VerifyError:
        zh = "最新的状态包没有在有效期内的声明密钥的签名。"
        en = "The newest status pack has no signature of a statement key in its window."
        findings.add("pack-signature", where, zh, en)
        return
    pairs: dict[str, tuple[object, object]] = {
        "seq": (manifest.seq, signed.seq), "issued_at": (manifest.issued_at, signed.issued_at),
        "pack": (manifest.pack, signed.full.sha256),
    }  # fmt: skip
    _differ("pack", where, pairs, findings)
    if signed.seq > seq:
        zh, en = "状态包的序号超出台账末尾。", "It is of a ledger entry that there is not."
        findings.add("pack", where, zh, en)
    files: tuple[PackFile | DeltaFile, ...] = (signed.full, *signed.deltas)
    for file in files:
        body = yield from packs.find_file(file.sha256)
        try:
            check_file(file, body or b"")
        except VerifyError:
            zh, en = "状态包的文件缺失或被改动。", f"The file {file.sha256} is missing or altered."
            findings.add("pack-file", where, zh, en)
    yield from _content(signed, where, seq, findings)


def _content(signed: Signed, where: str, seq: int, findings: Findings) -> Program[None]:
    """The pack says what it is signed for; and while nothing happened since, exactly what the register says."""
    body = yield from packs.find_file(signed.full.sha256)
    if body is None:
        return
    try:
        pack = decode_pack(body)
        agrees = (pack.seq, pack.issued_at) == (signed.seq, signed.issued_at)
        if agrees and signed.seq == seq:
            agrees = body == (yield from _as_it_should_be(signed))
    except VerifyError:
        agrees = False
    if not agrees:
        zh, en = "状态包内容与登记不符。", "The pack does not say what the register says."
        findings.add("pack-content", where, zh, en)


def _as_it_should_be(signed: Signed) -> Program[bytes]:
    standing = yield from packs.read_standing(signed.issued_at)
    outside = set(without_place(standing.counters, (number for number, _ in standing.listed)))
    listed = [one for one in standing.listed if one[0] not in outside]
    return encode_pack(
        build_pack(
            standing.counters,
            listed,
            seq=standing.seq,
            issued_at=signed.issued_at,
            max_age_s=signed.max_age_s,
        )
    )


def _files(findings: Findings) -> Program[None]:
    after = ""
    while rows := (yield from run("page_pack_files", after, FILES)):
        for name, body in rows:
            if digest(body) != name:
                zh, en = (
                    "文件与其名称（摘要）不符。",
                    "The file is not the one that its name, a digest, says.",
                )
                findings.add("pack-file", f"pack file {name}", zh, en)
        after = rows[-1][0]


def _differ(check: str, where: str, pairs: dict[str, tuple[object, object]], findings: Findings) -> None:
    for name, (table, signed) in pairs.items():
        if table != signed:
            zh = f"{name}：表中为 {table}，签名内容为 {signed}。"
            findings.add(check, where, zh, f"{name}: the table says {table}, what was signed says {signed}.")
