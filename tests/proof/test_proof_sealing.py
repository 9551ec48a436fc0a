"""Seals, blind indexes, commitments and the chain of the ledger."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proof_world import NUMBER

from verify.errors import BadKey, LedgerBroken, ProofFailed, Unreadable
from verify.proof.ledger import GENESIS, START, Head, Link, check_chain, commitment, event_hash
from verify.proof.sealing import (
    SEAL_OVERHEAD_BYTES,
    DataKeys,
    DataKeySet,
    generate_data_keys,
    rotate_seal_key,
    secret_hash,
)

SET = DataKeySet(seal=(b"a" * 32,), index=b"b" * 32, cache=b"c" * 32)
KEYS = DataKeys(SET)
AAD = NUMBER.encode()
PERSON = ("RESIDENT_ID", "990101199001011234", "张三")


@given(st.binary(max_size=300), st.binary(max_size=40))
def test_what_is_sealed_comes_back_and_does_not_show(plain: bytes, aad: bytes) -> None:
    for seal, unseal in ((KEYS.seal, KEYS.unseal), (KEYS.seal_entry, KEYS.unseal_entry)):
        blob = seal(plain, aad)
        assert unseal(blob, aad) == plain
        assert len(plain) < 4 or plain not in blob
    assert len(KEYS.seal(plain, aad)) == len(plain) + SEAL_OVERHEAD_BYTES


def test_the_same_holder_sealed_twice_looks_different() -> None:
    assert KEYS.seal(b"x", AAD) != KEYS.seal(b"x", AAD)
    assert KEYS.seal_entry(b"x", AAD) != KEYS.seal_entry(b"x", AAD)


def test_no_seal_with_one_bit_flipped_opens() -> None:
    for seal, unseal in ((KEYS.seal, KEYS.unseal), (KEYS.seal_entry, KEYS.unseal_entry)):
        blob = seal(b"holder", AAD)
        for place in range(8 * len(blob)):
            flipped = bytearray(blob)
            flipped[place // 8] ^= 1 << place % 8
            with pytest.raises((ProofFailed, BadKey)):
                unseal(bytes(flipped), AAD)


def test_a_seal_moved_to_another_certificate_does_not_open() -> None:
    with pytest.raises(ProofFailed):
        KEYS.unseal(KEYS.seal(b"holder", AAD), AAD[:-1] + b"2")
    with pytest.raises(Unreadable):
        KEYS.unseal_entry(KEYS.seal_entry(b"holder", AAD), AAD[:-1] + b"2")


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_no_seal(blob: bytes) -> None:
    with pytest.raises((ProofFailed, BadKey)):
        KEYS.unseal(blob, AAD)
    with pytest.raises(Unreadable):
        KEYS.unseal_entry(blob, AAD)


def test_what_is_too_large_is_not_even_tried() -> None:
    big = b"\x01" + KEYS.newest + bytes(2 << 20)
    with pytest.raises(Unreadable):
        KEYS.unseal(big, AAD)
    with pytest.raises(Unreadable):
        KEYS.unseal_entry(big, AAD)


def test_after_a_rotation_old_seals_open_and_new_ones_need_the_new_key() -> None:
    rotated = DataKeys(rotate_seal_key(SET))
    old, new = KEYS.seal(b"old", AAD), rotated.seal(b"new", AAD)
    assert rotated.unseal(old, AAD) == b"old"
    assert old[1:5] == KEYS.newest != new[1:5] == rotated.newest
    with pytest.raises(BadKey) as caught:
        KEYS.unseal(new, AAD)
    assert "data.keys" in caught.value.hint
    assert rotated.person_tag(*PERSON) == KEYS.person_tag(*PERSON)


@pytest.mark.parametrize(
    "wrong",
    [
        msgspec.structs.replace(SET, seal=()),
        msgspec.structs.replace(SET, seal=(b"a" * 31,)),
        msgspec.structs.replace(SET, index=b""),
        msgspec.structs.replace(SET, index=SET.cache),
        msgspec.structs.replace(SET, seal=(b"a" * 32, b"a" * 32)),
    ],
)
def test_a_set_of_keys_that_is_incomplete_or_uses_one_key_twice_is_refused(wrong: DataKeySet) -> None:
    with pytest.raises(BadKey):
        DataKeys(wrong)


def test_the_keys_do_not_show_in_their_repr() -> None:
    made = generate_data_keys()
    assert all(repr(key) not in repr(made) for key in (*made.seal, made.index, made.cache))


def test_tags_have_their_lengths_and_meet_only_for_the_same_words_in_the_same_places() -> None:
    business = ("Y000199000001", "RESIDENT_ID", "990101199001011234", "6-18-01-01", None, "3", None)
    tags = [
        KEYS.person_tag(*PERSON),
        KEYS.person_tag("RESIDENT_ID", "990101199001011234", "张四"),
        KEYS.person_tag("RESIDENT_ID9", "90101199001011234", "张三"),
        KEYS.person_tag("", "RESIDENT_ID990101199001011234", "张三"),
        KEYS.name_tag("RESIDENT_ID990101199001011234", "张三"),
        KEYS.name_tag(NUMBER, "张三"),
        KEYS.business_tag(*business),
        KEYS.business_tag(*business[:4], "", *business[5:]),
        KEYS.business_tag(*business[:6], ""),
    ]
    assert len(set(tags)) == len(tags)
    assert {len(tag) for tag in tags} == {16}
    assert len(KEYS.request_tag(b"body")) == 32
    assert KEYS.person_tag(*PERSON) == DataKeys(SET).person_tag(*PERSON)
    assert KEYS.person_tag(*PERSON) != DataKeys(generate_data_keys()).person_tag(*PERSON)


@given(
    st.lists(st.text(max_size=6), min_size=3, max_size=3),
    st.lists(st.text(max_size=6), min_size=3, max_size=3),
)
def test_two_lists_of_parts_never_read_alike(left: list[str], right: list[str]) -> None:
    assert (KEYS.person_tag(*left) == KEYS.person_tag(*right)) is (left == right)


def test_the_hash_of_an_api_key_is_its_own_domain() -> None:
    assert len(secret_hash("secret")) == 32
    assert secret_hash("secret") != secret_hash("secres")


# --- ledger ---------------------------------------------------------------------------------------------


def chain(bodies: list[bytes]) -> list[Link]:
    links, previous = [], GENESIS
    for seq, body in enumerate(bodies, 1):
        previous = event_hash(previous, body)
        links.append(Link(seq, body, previous))
    return links


@given(st.lists(st.binary(max_size=30), max_size=12), st.integers(0, 12))
def test_a_chain_verifies_from_its_start_and_from_any_head(bodies: list[bytes], cut: int) -> None:
    links = chain(bodies)
    end = check_chain(links)
    assert end == (Head(len(links), links[-1].hash) if links else START)
    assert check_chain(links[cut:], check_chain(links[:cut])) == end


@given(st.lists(st.binary(max_size=10), min_size=2, max_size=8, unique=True), st.data())
def test_an_event_altered_dropped_doubled_or_moved_is_named(bodies: list[bytes], data: st.DataObject) -> None:
    links = chain(bodies)
    place = data.draw(st.integers(0, len(links) - 1))
    link = links[place]
    harms = [
        [*links[:place], msgspec.structs.replace(link, body=link.body + b"x"), *links[place + 1 :]],
        [*links[:place], msgspec.structs.replace(link, hash=bytes(32)), *links[place + 1 :]],
        [*links[:place], link, link, *links[place + 1 :]],
    ]
    if place < len(links) - 1:
        harms.append([*links[:place], *links[place + 1 :]])
        harms.append([*links[:place], links[place + 1], link, *links[place + 2 :]])
    for harmed in harms:
        with pytest.raises(LedgerBroken, match=f"entry {place + 1}:|entry {place + 2}:"):
            check_chain(harmed)


def test_a_tail_cut_off_shows_in_the_head_that_the_witness_has() -> None:
    links = chain([b"a", b"b", b"c"])
    assert check_chain(links[:-1]) != check_chain(links)


def test_the_genesis_and_the_labels_never_change() -> None:
    assert GENESIS.hex() == "51ddf2cf2cc01f6fcbe737506bf5653a902ed766c9edeced9143404158ddc877"
    assert (
        event_hash(GENESIS, b"{}").hex() == "55e8cd5befa169252fcc6a7b695d820a0d70ecd697260bbd5abb4d318095dc4c"
    )
    assert (
        commitment(bytes(16), b"{}").hex()
        == "61c38c78a96b16f895fa6698bc99e8287867b0e80f16fa4fbc82faa59611aba1"
    )


def test_a_commitment_needs_its_salt_and_binds_what_it_hides() -> None:
    assert commitment(b"s" * 16, b"x") != commitment(b"t" * 16, b"x")
    assert commitment(b"s" * 16, b"x") != commitment(b"s" * 16, b"y")
    for salt in (b"", b"s" * 15, b"s" * 17):
        with pytest.raises(LedgerBroken):
            commitment(salt, b"x")
    with pytest.raises(LedgerBroken):
        event_hash(b"short", b"x")
