"""How a holder is kept: one sealed blob, a commitment for the ledger, and the tags that find it.

Whoever writes or reads these agrees here: JSON of `Personal`, sealed with the certificate number beside it.
"""

import msgspec

from verify.certificate.identity import Identity
from verify.certificate.name import fold_name
from verify.certificate.record import Face, Personal
from verify.proof.ledger import commitment
from verify.proof.sealing import DataKeys

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Personal).decode


def seal_personal(keys: DataKeys, number: str, personal: Personal) -> bytes:
    """The personal part as it is stored; it opens under this number only."""
    return keys.seal(_encode(personal), number.encode())


def unseal_personal(keys: DataKeys, number: str, sealed: bytes) -> Personal:
    """The personal part. Raises BadKey for an unknown data key, ProofFailed when it was altered or moved."""
    return _decode(keys.unseal(sealed, number.encode()))


def seal_signed(keys: DataKeys, number: str, copy: int, token: bytes, credential: str) -> tuple[bytes, bytes]:
    """Token and credential as they are stored: they name the holder, so they lie sealed too."""
    place = f"{number}/{copy}/"
    return (
        keys.seal(token, f"{place}token".encode()),
        keys.seal(credential.encode(), f"{place}credential".encode()),
    )


def unseal_token(keys: DataKeys, number: str, copy: int, sealed: bytes) -> bytes:
    """The COSE token of one copy. Raises what `unseal_personal` raises."""
    return keys.unseal(sealed, f"{number}/{copy}/token".encode())


def unseal_credential(keys: DataKeys, number: str, copy: int, sealed: bytes) -> str:
    """The `vc+jwt` of one copy. Raises what `unseal_personal` raises."""
    return keys.unseal(sealed, f"{number}/{copy}/credential".encode()).decode()


def commit_personal(number: str, personal: Personal) -> bytes:
    """What the ledger says of a holder: 32 bytes that tell nothing and fix everything."""
    return commitment(personal.salt, _encode((number, personal.holder, personal.results)))


def finder_tags(keys: DataKeys, number: str, identity: Identity, name: str) -> tuple[bytes, bytes]:
    """The blind indexes that find a certificate: by document and name, by number and name."""
    folded = fold_name(name)
    return person_tag(keys, identity, folded), keys.name_tag(number, folded)


def person_tag(keys: DataKeys, identity: Identity, folded_name: str) -> bytes:
    """The blind index of one person: equal for all documents of one family that belong together."""
    return keys.person_tag(identity.family, identity.person_key, folded_name)


def business_tag(keys: DataKeys, face: Face, identity: Identity) -> bytes:
    """The blind index of what must not be issued twice by accident."""
    return keys.business_tag(
        face.agency,
        identity.family,
        identity.person_key,
        face.occupation.code,
        face.work_type,
        face.level.value,
        face.batch,
    )
