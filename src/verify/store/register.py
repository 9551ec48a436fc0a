"""Programs for agencies, filings, credentials and the public halves of keys."""

import datetime as dt
from collections.abc import Sequence

import msgspec

from verify.certificate.record import Agency, AgencyState, Filing, Kind, Level, Occupation
from verify.errors import Conflict, NotFound, Words
from verify.proof.public import KeyPurpose, KeyState, PublicKey
from verify.store.contract import Program, Row, run
from verify.store.journal import EventKind, Journal, Origin, from_micros, open_journal, to_micros


class Credential(msgspec.Struct, frozen=True):
    """An API key: what may be done with it, never the secret itself."""

    id: str
    role: str
    """`agency`, `operator` or `employer`."""
    agency: str | None
    name: str
    """The person or system it was given to."""
    secret_hash: bytes
    created_at: dt.datetime
    revoked_at: dt.datetime | None = None
    rotations: int = 0
    """How often its secret was exchanged."""
    old_hash: bytes | None = None
    """Of the secret before this one."""
    old_until: dt.datetime | None = None
    """Until then the secret before counts too."""


class TrustList(msgspec.Struct, frozen=True):
    """A signed trust list as published."""

    sequence: int
    issued_at: dt.datetime
    document: bytes


class RevocationList(msgspec.Struct, frozen=True):
    """The last X.509 revocation list of one root."""

    kid: str
    """The root's key."""
    made_at: dt.datetime
    document: bytes
    """DER (RFC 5280 §5)."""


# --- agencies and filings -------------------------------------------------------------------------------


def add_agency(agency: Agency, origin: Origin) -> Program[Agency]:
    """Register an agency. Raises Conflict when its code exists."""
    if (yield from run("find_agency", agency.code)):
        raise Conflict(Words(f"机构 {agency.code} 已存在。", f"Agency {agency.code} exists."))
    yield from run("insert_agency", agency.code, agency.kind.value, agency.name_zh, agency.name_en,
                   to_micros(agency.since), agency.contact)  # fmt: skip
    journal = yield from open_journal(origin)
    data = {
        "kind": agency.kind.value,
        "name_zh": agency.name_zh,
        "name_en": agency.name_en,
        "state": "active",
    }
    journal.add(EventKind.AGENCY_REGISTERED, data, scope=f"agency:{agency.code}")
    yield from journal.close()
    return agency


def change_agency(code: str, state: AgencyState, reason: str, origin: Origin) -> Program[Agency]:
    """Suspend, cancel or reinstate an agency; its certificates stay as they are.

    Raises NotFound, or Conflict when it is cancelled: that is final.
    """
    agency = yield from find_agency(code)
    if agency is None:
        raise NotFound(Words(f"没有机构 {code}。", f"There is no agency {code}."))
    if agency.state is state and agency.reason == reason:
        return agency
    if agency.state is AgencyState.CANCELLED:
        raise Conflict(Words("已取消备案的机构不能恢复。", "A cancelled agency cannot come back."),
                       hint="register it anew under the code of its new filing")  # fmt: skip
    yield from run("update_agency_state", code, state.value, to_micros(origin.at), reason)
    journal = yield from open_journal(origin)
    journal.add(EventKind.AGENCY_CHANGED, {"state": state.value, "reason": reason}, scope=f"agency:{code}")
    yield from journal.close()
    return msgspec.structs.replace(agency, state=state, since=origin.at, reason=reason)


def find_agency(code: str) -> Program[Agency | None]:
    """One agency."""
    rows = yield from run("find_agency", code)
    return _agency(rows[0]) if rows else None


def list_agencies() -> Program[list[Agency]]:
    """All agencies by code."""
    return [_agency(row) for row in (yield from run("list_agencies"))]


def add_filing(filing: Filing, origin: Origin) -> Program[Filing]:
    """File one occupation for an agency. Raises NotFound when there is no such agency."""
    if not (yield from run("find_agency", filing.agency)):
        raise NotFound(Words(f"没有机构 {filing.agency}。", f"There is no agency {filing.agency}."))
    if (yield from run("find_filing", filing.id)):
        raise Conflict(Words(f"备案 {filing.id} 已存在。", f"Filing {filing.id} exists."))
    to_on = None if filing.to_on is None else filing.to_on.isoformat()
    levels, work_types = _json([level.value for level in filing.levels]), _json(list(filing.work_types))
    what = filing.occupation
    yield from run("insert_filing", filing.id, filing.agency, what.code, what.name, what.edition, levels,
                   work_types, filing.from_on.isoformat(), to_on)  # fmt: skip
    journal = yield from open_journal(origin)
    data = {"id": filing.id, "occupation": what.code, "name": what.name, "edition": what.edition,
            "levels": levels, "work_types": work_types, "from_on": filing.from_on.isoformat(),
            "to_on": to_on}  # fmt: skip
    journal.add(EventKind.FILING_ADDED, data, scope=f"agency:{filing.agency}")
    yield from journal.close()
    return filing


def end_filing(filing_id: str, to_on: dt.date, origin: Origin) -> Program[Filing]:
    """Let a filing end after `to_on` (inclusive). Raises NotFound."""
    rows = yield from run("find_filing", filing_id)
    if not rows:
        raise NotFound(Words(f"没有备案 {filing_id}。", f"There is no filing {filing_id}."))
    filing = _filing(rows[0])
    yield from run("end_filing", filing_id, to_on.isoformat())
    journal = yield from open_journal(origin)
    data = {"id": filing_id, "to_on": to_on.isoformat()}
    journal.add(EventKind.FILING_ENDED, data, scope=f"agency:{filing.agency}")
    yield from journal.close()
    return msgspec.structs.replace(filing, to_on=to_on)


def list_filings(agency: str) -> Program[list[Filing]]:
    """All filings of one agency."""
    return [_filing(row) for row in (yield from run("list_filings", agency))]


# --- credentials ----------------------------------------------------------------------------------------


def add_credential(credential: Credential, origin: Origin) -> Program[Credential]:
    """Record an API key. Raises NotFound when its agency does not exist."""
    if credential.agency is not None and not (yield from run("find_agency", credential.agency)):
        raise NotFound(Words(f"没有机构 {credential.agency}。", f"There is no agency {credential.agency}."))
    yield from run("insert_credential", credential.id, credential.role, credential.agency, credential.name,
                   credential.secret_hash, to_micros(credential.created_at))  # fmt: skip
    journal = yield from open_journal(origin)
    data = {"id": credential.id, "role": credential.role, "agency": credential.agency}
    journal.add(EventKind.CREDENTIAL_CREATED, data)
    yield from journal.close()
    return credential


def revoke_credential(credential_id: str, owner: str | None, origin: Origin) -> Program[Credential]:
    """End an API key at once. Raises NotFound when it is not the owner's (`None`: the operator)."""
    credential = yield from find_credential(credential_id)
    if credential is None or (owner is not None and credential.agency != owner):
        raise NotFound(Words("没有该接口密钥。", "There is no such API key."))
    if credential.revoked_at is not None:
        return credential
    yield from run("revoke_credential", credential_id, to_micros(origin.at))
    journal = yield from open_journal(origin)
    journal.add(EventKind.CREDENTIAL_REVOKED, {"id": credential_id})
    yield from journal.close()
    return msgspec.structs.replace(credential, revoked_at=origin.at)


def find_credential(credential_id: str) -> Program[Credential | None]:
    """One API key."""
    rows = yield from run("find_credential", credential_id)
    return _credential(rows[0]) if rows else None


def find_credentials(ids: Sequence[str]) -> Program[dict[str, Credential]]:
    """Those of some API keys that exist, by id."""
    found = [_credential(row) for row in (yield from run("find_credentials", list(ids)))]
    return {credential.id: credential for credential in found}


def list_credentials() -> Program[list[Credential]]:
    """All API keys, oldest first."""
    return [_credential(row) for row in (yield from run("list_credentials"))]


# --- keys -----------------------------------------------------------------------------------------------


def add_key(key: PublicKey, origin: Origin) -> Program[PublicKey]:
    """Record the public half of a key. Raises Conflict when its id exists."""
    if (yield from run("find_signing_key", key.kid)):
        raise Conflict(Words(f"密钥 {key.kid} 已存在。", f"Key {key.kid} exists."))
    yield from run("insert_signing_key", key.kid, key.owner, key.owner_name.zh, key.owner_name.en,
                   key.purpose.value, key.alg, key.key_bytes, key.certificate, key.state.value,
                   to_micros(key.created_at), _micros(key.active_from), _micros(key.active_to),
                   _micros(key.compromised_at))  # fmt: skip
    journal = yield from open_journal(origin)
    _record_key(journal, EventKind.KEY_CREATED, key)
    yield from journal.close()
    return key


def change_keys(keys: Sequence[PublicKey], origin: Origin) -> Program[None]:
    """Write the new states of keys in one commit, in the order given (retire before activate)."""
    journal = yield from open_journal(origin)
    for key in keys:
        yield from run("update_signing_key", key.kid, key.state.value, _micros(key.active_from),
                       _micros(key.active_to), _micros(key.compromised_at))  # fmt: skip
        _record_key(journal, EventKind.KEY_CHANGED, key)
    yield from journal.close()


def find_key(kid: str) -> Program[PublicKey | None]:
    """The public half of one key."""
    rows = yield from run("find_signing_key", kid)
    return _key(rows[0]) if rows else None


def list_keys() -> Program[list[PublicKey]]:
    """The public halves of all keys, retired ones included, oldest first."""
    return [_key(row) for row in (yield from run("list_signing_keys"))]


def key_in_use(owner: str, purpose: KeyPurpose) -> Program[PublicKey | None]:
    """The key that signs for this owner and purpose now."""
    rows = yield from run("find_key_in_use", owner, purpose.value)
    return _key(rows[0]) if rows else None


def add_trust_list(trust: TrustList, origin: Origin) -> Program[TrustList]:
    """Publish a signed trust list. Raises Conflict unless its sequence is the next."""
    rows = yield from run("last_trust_list")
    if trust.sequence != (rows[0][0] if rows else 0) + 1:
        raise Conflict(
            Words("信任列表序号不连续。", "Another trust list was published meanwhile."), hint="sign again"
        )
    yield from run("insert_trust_list", trust.sequence, to_micros(trust.issued_at), trust.document)
    journal = yield from open_journal(origin)
    journal.add(EventKind.TRUST_LIST_SIGNED, {"sequence": trust.sequence}, scope="trust")
    yield from journal.close()
    return trust


def last_trust_list() -> Program[TrustList | None]:
    """The newest signed trust list."""
    rows = yield from run("last_trust_list")
    return TrustList(rows[0][0], from_micros(rows[0][1]), rows[0][2]) if rows else None


def put_revocation_list(made: RevocationList) -> Program[None]:
    """Publish a root's newest revocation list; an older one than is there changes nothing."""
    yield from run("put_revocation_list", made.kid, to_micros(made.made_at), made.document)


def list_revocation_lists() -> Program[list[RevocationList]]:
    """The newest list of every root."""
    rows = yield from run("list_revocation_lists")
    return [RevocationList(kid, from_micros(at), document) for kid, at, document in rows]


def find_revocation_list(kid: str) -> Program[RevocationList | None]:
    """The newest list of one root."""
    return next((one for one in (yield from list_revocation_lists()) if one.kid == kid), None)


# --- rows -----------------------------------------------------------------------------------------------


def _record_key(journal: Journal, kind: EventKind, key: PublicKey) -> None:
    data = {"kid": key.kid, "owner": key.owner, "purpose": key.purpose.value, "alg": key.alg,
            "public": key.key_bytes.hex(), "state": key.state.value, "active_from": _micros(key.active_from),
            "active_to": _micros(key.active_to), "compromised_at": _micros(key.compromised_at)}  # fmt: skip
    journal.add(kind, data, scope=f"key:{key.kid}")


def _agency(row: Row) -> Agency:
    code, kind, name_zh, name_en, state, since, reason, contact = row
    return Agency(code, Kind(kind), name_zh, name_en, AgencyState(state), from_micros(since), reason, contact)


def _filing(row: Row) -> Filing:
    key, agency, code, name, edition, levels, work_types, from_on, to_on = row
    return Filing(
        id=key,
        agency=agency,
        occupation=Occupation(code, name, edition),
        levels=msgspec.json.decode(levels, type=tuple[Level, ...]),
        work_types=msgspec.json.decode(work_types, type=tuple[str, ...]),
        from_on=dt.date.fromisoformat(from_on),
        to_on=None if to_on is None else dt.date.fromisoformat(to_on),
    )


def _credential(row: Row) -> Credential:
    key, role, agency, name, secret_hash, created_at, revoked_at, rotations, old_hash, old_until = row
    return Credential(
        id=key,
        role=role,
        agency=agency,
        name=name,
        secret_hash=secret_hash,
        created_at=from_micros(created_at),
        revoked_at=_instant(revoked_at),
        rotations=rotations,
        old_hash=old_hash,
        old_until=_instant(old_until),
    )


def _key(row: Row) -> PublicKey:
    (kid, owner, zh, en, purpose, alg, key_bytes, x509, state, created_at, active_from, active_to, since) = (
        row
    )
    return PublicKey(
        kid=kid,
        alg=alg,
        owner=owner,
        owner_name=Words(zh, en),
        purpose=KeyPurpose(purpose),
        key_bytes=key_bytes,
        state=KeyState(state),
        created_at=from_micros(created_at),
        certificate=x509,
        active_from=_instant(active_from),
        active_to=_instant(active_to),
        compromised_at=_instant(since),
    )


def _micros(at: dt.datetime | None) -> int | None:
    return None if at is None else to_micros(at)


def _instant(micros: int | None) -> dt.datetime | None:
    return None if micros is None else from_micros(micros)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
