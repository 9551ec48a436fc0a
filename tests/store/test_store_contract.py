"""What every engine promises, tried on a real one."""

import asyncio
import datetime as dt

import pytest
from store_engines import Engine
from store_samples import AGENCY, KID, NOON, ORIGIN, PREFIX, draft, issue, key_record, see

from verify.certificate.record import (
    AgencyState,
    CopyCause,
    CopyState,
    Status,
)
from verify.certificate.status import Move
from verify.errors import Conflict, ForbiddenArrow, NotFound
from verify.proof.ledger import Link, check_chain
from verify.proof.public import KeyState
from verify.store.certificates import (
    Abandoned,
    Completed,
    CopyDraft,
    CopyPrepared,
    KeyTaken,
    NotEligible,
    NumbersSpent,
    NumberTaken,
    Prepared,
    SameCertificate,
    Signed,
    complete,
    prepare,
    prepare_copy,
    unfinished,
)
from verify.store.changes import Change, Proposal, change_status, decide_proposal, propose_revocation
from verify.store.contract import Program, Store
from verify.store.journal import EventKind, Origin, open_journal, to_micros
from verify.store.reads import WINDOW, find, read_certificates, read_copy, read_head, read_history
from verify.store.register import change_agency, change_keys, list_keys


async def test_a_prepared_certificate_is_seen_by_nobody_until_it_is_complete(store: Store) -> None:
    (one,) = await store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    assert isinstance(one, Prepared)
    assert one == Prepared(PREFIX + "000001", fresh=True)
    assert await see(store, one.number) is None
    assert await store.read(lambda: unfinished(to_micros(NOON), 10)) == [(one.number, 1)]
    done = await store.write(lambda: complete([Signed(one.number, 1, b"t", b"j")], ORIGIN))
    assert done == [Completed(one.number, 1)]
    assert await see(store, one.number) is Status.VALID
    assert await store.read(lambda: unfinished(to_micros(NOON), 10)) == []


async def test_completing_twice_keeps_the_first_signatures_and_writes_no_second_event(
    store: Store,
) -> None:
    (number,) = await issue(store, "a")
    before = await store.read(lambda: read_head(0))
    assert await store.write(lambda: complete([Signed(number, 1, b"other", b"other")], ORIGIN)) == [
        Completed(number, 1, here=False)
    ]
    assert await store.read(lambda: read_head(0)) == before
    assert await store.read(lambda: read_copy(number, 1)) == (b"token", b"jws")


async def test_the_same_key_gives_the_same_number_for_ever_and_another_body_is_refused(
    store: Store,
) -> None:
    (number,) = await issue(store, "a")
    again, other = await store.write(
        lambda: prepare(AGENCY, [draft("a"), draft("a", request=b"changed")], ORIGIN)
    )
    assert again == Prepared(number, fresh=False)
    assert other == KeyTaken()


async def test_the_same_key_twice_in_one_call_is_one_certificate(store: Store) -> None:
    first, second, third = await store.write(
        lambda: prepare(AGENCY, [draft("a"), draft("a"), draft("a", request=b"x")], ORIGIN)
    )
    assert first == Prepared(PREFIX + "000001", fresh=True)
    assert second == Prepared(PREFIX + "000001", fresh=False)
    assert third == KeyTaken()


async def test_a_duplicate_of_the_same_person_is_refused_unless_it_is_meant(store: Store) -> None:
    (number,) = await issue(store, "a")
    refused, meant = await store.write(
        lambda: prepare(AGENCY, [draft("b", tag="a"), draft("c", tag="a", again=True)], ORIGIN)
    )
    assert refused == SameCertificate(number)
    assert isinstance(meant, Prepared)
    assert meant.fresh


async def test_two_of_the_same_person_in_one_call_are_one_certificate(store: Store) -> None:
    first, second = await store.write(
        lambda: prepare(AGENCY, [draft("a", tag="p"), draft("b", tag="p")], ORIGIN)
    )
    assert isinstance(first, Prepared)
    assert second == SameCertificate(first.number)


async def test_a_revoked_certificate_does_not_stand_in_the_way_of_a_new_one(store: Store) -> None:
    (number,) = await issue(store, "a")
    change = Change(number, Move.REVOKE, "OBTAINED_BY_FRAUD")
    await store.write(lambda: change_status([change], None, ORIGIN))
    (again,) = await store.write(lambda: prepare(AGENCY, [draft("b", tag="a")], ORIGIN))
    assert isinstance(again, Prepared)


async def test_a_brought_number_is_used_once_and_the_counter_stays_ahead_of_it(store: Store) -> None:
    brought = PREFIX + "000007"
    one, same, following = await store.write(
        lambda: prepare(AGENCY, [draft("a", number=brought), draft("b", number=brought), draft("c")], ORIGIN)
    )
    assert one == Prepared(brought, fresh=True)
    assert same == NumberTaken(brought)
    assert following == Prepared(PREFIX + "000008", fresh=True)


async def test_when_the_serials_run_out_nothing_is_wrapped(store: Store) -> None:
    outcomes = await store.write(lambda: prepare(AGENCY, [draft(str(i), width=1) for i in range(11)], ORIGIN))
    assert [type(o) for o in outcomes] == [Prepared] * 9 + [NumbersSpent] * 2


async def test_racing_writers_in_threads_and_connections_never_share_a_number(
    store: Store, engine: Engine
) -> None:
    other = await engine.open()
    calls = [
        (store if i % 2 else other).write(lambda i=i: prepare(AGENCY, [draft(f"k{i}")], ORIGIN))
        for i in range(60)
    ]
    outcomes = [o for result in await asyncio.gather(*calls) for o in result]
    numbers = {o.number for o in outcomes if isinstance(o, Prepared)}
    assert len(numbers) == 60
    await other.close()


async def test_what_a_program_refuses_leaves_nothing_and_its_neighbours_stand(
    store: Store, engine: Engine
) -> None:
    (number,) = await issue(store, "a")
    before = await engine.dump()
    changes = [
        Change(number, Move.SUSPEND, "UNDER_REVIEW"),
        Change("S999999", Move.REVOKE, "OBTAINED_BY_FRAUD"),
    ]
    refused = store.write(lambda: change_status(changes, None, ORIGIN))
    neighbour = store.write(lambda: prepare(AGENCY, [draft("b")], ORIGIN))
    results = await asyncio.gather(refused, neighbour, return_exceptions=True)
    assert isinstance(results[0], NotFound)
    assert not isinstance(results[1], BaseException)
    assert await see(store, number) is Status.VALID
    assert await engine.dump() != before


async def test_suspending_twice_is_one_event_and_a_lapsed_suspension_counts_as_valid(
    store: Store,
) -> None:
    (number,) = await issue(store, "a")
    until = NOON + dt.timedelta(days=3)
    change = Change(number, Move.SUSPEND, "UNDER_REVIEW", until)
    (first,) = await store.write(lambda: change_status([change], AGENCY, ORIGIN))
    (second,) = await store.write(lambda: change_status([change], AGENCY, ORIGIN))
    assert (first.revision, first.fresh) == (2, True)
    assert (second.revision, second.fresh) == (2, False)
    later = Origin("tester", until + dt.timedelta(seconds=1))
    with pytest.raises(ForbiddenArrow):
        await store.write(
            lambda: change_status([Change(number, Move.REINSTATE, "REVIEW_CLEARED")], AGENCY, later)
        )
    anew = Change(number, Move.SUSPEND, "COMPLAINT_RECEIVED")
    (third,) = await store.write(lambda: change_status([anew], AGENCY, later))
    assert (third.revision, third.fresh) == (3, True)


async def test_anothers_certificate_is_refused_like_one_that_does_not_exist(store: Store) -> None:
    (number,) = await issue(store, "a")
    missing = number[:-1] + "9"
    answers = []
    for wanted, owner in ((number, "S000035000999"), (missing, AGENCY)):
        with pytest.raises(NotFound) as refusal:
            await store.write(
                lambda n=wanted, o=owner: change_status(
                    [Change(n, Move.REVOKE, "OBTAINED_BY_FRAUD")], o, ORIGIN
                )
            )
        answers.append(refusal.value.detail.en.replace(wanted, "N"))
    assert answers[0] == answers[1]
    assert await see(store, number) is Status.VALID


async def test_a_further_copy_replaces_the_earlier_in_one_commit(store: Store) -> None:
    (number,) = await issue(store, "a")
    wanted = CopyDraft(
        "k2", b"r", number, AGENCY, "SECONDSCANCODE00", CopyCause.LOST, KID, "88001", "补发", None
    )
    prepared = await store.write(lambda: prepare_copy(wanted, AGENCY, ORIGIN))
    assert prepared == CopyPrepared(number, 2, True)
    snapshot = await store.read(lambda: read_certificates([number]))
    assert [c.state for c in snapshot.certificates[number].copies] == [CopyState.CURRENT]
    await store.write(lambda: complete([Signed(number, 2, b"t2", b"j2")], ORIGIN))
    certificate = (await store.read(lambda: read_certificates([number]))).certificates[number]
    assert [(c.number, c.state) for c in certificate.copies] == [
        (1, CopyState.REPLACED),
        (2, CopyState.CURRENT),
    ]
    assert certificate.revision == 2
    assert await store.write(lambda: prepare_copy(wanted, AGENCY, ORIGIN)) == CopyPrepared(number, 2, False)
    found = await store.read(lambda: find(["SECONDSCANCODE00", "NOSUCHCODE000000"], [b"tag:a", b"nobody"]))
    assert dict(found.scan_codes) == {"SECONDSCANCODE00": number}
    assert dict(found.tags) == {b"tag:a": (number,)}


async def test_a_revoked_certificate_gets_no_further_copy(store: Store) -> None:
    (number,) = await issue(store, "a")
    wanted = CopyDraft("k2", b"r", number, AGENCY, "SECONDSCANCODE00", CopyCause.LOST, KID, None, None, None)
    await store.write(lambda: prepare_copy(wanted, AGENCY, ORIGIN))
    await store.write(lambda: change_status([Change(number, Move.REVOKE, "OBTAINED_BY_FRAUD")], None, ORIGIN))
    done = await store.write(lambda: complete([Signed(number, 2, b"t", b"j")], ORIGIN))
    assert done == [Abandoned(number, 2, "status")]
    wanted = CopyDraft("k3", b"r", number, AGENCY, "THIRDSCANCODE000", CopyCause.LOST, KID, None, None, None)
    assert await store.write(lambda: prepare_copy(wanted, AGENCY, ORIGIN)) == NotEligible(Status.REVOKED)


async def test_a_new_number_ends_the_old_one_in_the_same_commit(store: Store) -> None:
    (old,) = await issue(store, "a")
    (new,) = await store.write(lambda: prepare(AGENCY, [draft("b", replaces=old)], ORIGIN))
    assert isinstance(new, Prepared)
    assert await see(store, old) is Status.VALID
    await store.write(lambda: complete([Signed(new.number, 1, b"t", b"j")], ORIGIN))
    found = (await store.read(lambda: read_certificates([old, new.number]))).certificates
    assert (found[old].status, found[old].replaced_by) == (Status.REPLACED, new.number)
    assert (found[new.number].status, found[new.number].replaces) == (Status.VALID, old)


async def test_a_successor_of_a_certificate_under_suspension_is_abandoned(store: Store) -> None:
    (old,) = await issue(store, "a")
    (new,) = await store.write(lambda: prepare(AGENCY, [draft("b", replaces=old)], ORIGIN))
    assert isinstance(new, Prepared)
    await store.write(lambda: change_status([Change(old, Move.SUSPEND, "UNDER_REVIEW")], None, ORIGIN))
    done = await store.write(lambda: complete([Signed(new.number, 1, b"t", b"j")], ORIGIN))
    assert done == [Abandoned(new.number, 1, "predecessor")]
    assert await see(store, new.number) is None
    assert await see(store, old) is Status.SUSPENDED


@pytest.mark.parametrize("what", ["agency", "key"])
async def test_an_agency_or_key_blocked_between_record_and_signature_issues_nothing(
    store: Store, what: str
) -> None:
    (one,) = await store.write(lambda: prepare(AGENCY, [draft("a")], ORIGIN))
    assert isinstance(one, Prepared)
    if what == "agency":
        await store.write(lambda: change_agency(AGENCY, AgencyState.SUSPENDED, "ANNUAL_INSPECTION", ORIGIN))
    else:
        await store.write(lambda: change_keys([key_record(KeyState.COMPROMISED)], ORIGIN))
    done = await store.write(lambda: complete([Signed(one.number, 1, b"t", b"j")], ORIGIN))
    assert done == [Abandoned(one.number, 1, what)]
    assert await see(store, one.number) is None
    (following,) = await store.write(lambda: prepare(AGENCY, [draft("b")], ORIGIN))
    assert following == Prepared(PREFIX + "000002", fresh=True)  # a spent number is not given back


async def test_a_reader_that_is_far_behind_is_told_to_drop_everything(store: Store) -> None:
    numbers = await issue(store, "a", "b")
    head = await store.read(lambda: read_head(0))
    assert head.complete
    assert {c.number for c in head.changes} >= set(numbers)
    assert any(c.scope == f"agency:{AGENCY}" for c in head.changes)
    assert (await store.read(lambda: read_head(head.seq))).changes == ()

    def flood() -> Program[None]:
        journal = yield from open_journal(ORIGIN)
        for _ in range(WINDOW + 1):
            journal.add(EventKind.NUMBERS_TAKEN, {})
        yield from journal.close()

    await store.write(flood)
    assert not (await store.read(lambda: read_head(head.seq))).complete


async def test_the_ledger_verifies_from_its_start_and_has_no_gap(store: Store, engine: Engine) -> None:
    numbers = await issue(store, *(f"k{i}" for i in range(20)))
    await store.write(
        lambda: change_status([Change(n, Move.REVOKE, "OBTAINED_BY_FRAUD") for n in numbers], None, ORIGIN)
    )
    rows = await engine.sql("select seq, body, hash from event order by seq")
    end = check_chain(Link(seq, body.encode(), digest) for seq, body, digest in rows)
    assert await engine.sql("select seq, hash from ledger_head") == [(end.seq, end.hash)]
    assert end.seq == len(rows)
    history = await store.read(lambda: read_history(numbers[0]))
    assert [event.kind for event, _ in history] == ["issued", "revoked"]


@pytest.mark.parametrize(
    "attack",
    [
        "update event set body = '{}' where seq = 1",
        "delete from event where seq = 1",
        "delete from event",
        "insert into event select seq + 5, kind, number, scope, body, hash from event where seq = 1",
        "update ledger_head set seq = 1",
        "update ledger_head set seq = seq + 1",
        "delete from ledger_head",
        "delete from certificate",
        "update certificate set status = 'prepared', current_copy = 0",
        "update certificate set revision = 0",
        "update counter set next = 1",
        "delete from counter",
        "update copy set token = null",
        "delete from copy",
        "insert into copy select number, 1, 'X', cause, kid, issued_at, null, null, 'prepared', null, null, null from copy",
    ],
)
async def test_the_database_itself_refuses_to_go_back(store: Store, engine: Engine, attack: str) -> None:
    await issue(store, "a")
    before = await engine.dump()
    with pytest.raises(engine.refusal):
        await engine.sql(attack)
    assert await engine.dump() == before


async def test_bulk_revocation_needs_a_second_person_and_is_one_commit(store: Store) -> None:
    numbers = await issue(store, "a", "b", "c")
    proposal = Proposal("p1", AGENCY, "BATCH_VIOLATION", (), "li", NOON, None, "waiting", None, None)
    proposal = await store.write(lambda: propose_revocation(proposal, "A", ORIGIN))
    assert set(proposal.numbers) == set(numbers)
    with pytest.raises(Conflict):
        await store.write(lambda: decide_proposal("p1", AGENCY, True, "li", ORIGIN))
    assert await see(store, numbers[0]) is Status.VALID
    seq = (await store.read(lambda: read_head(0))).seq
    _, done = await store.write(lambda: decide_proposal("p1", AGENCY, True, "wang", ORIGIN))
    assert len(done) == 3
    assert [await see(store, n) for n in numbers] == [Status.REVOKED] * 3
    _, again = await store.write(lambda: decide_proposal("p1", AGENCY, True, "wang", ORIGIN))
    assert again == []
    assert (await store.read(lambda: read_head(seq))).seq == seq + 4


async def test_keys_come_back_as_they_went_in(store: Store) -> None:
    assert await store.read(list_keys) == [key_record()]


async def test_a_caller_that_gives_up_leaves_the_writer_to_all_others(store: Store) -> None:
    """Cancelled at every moment of a write, again and again: what others write afterwards is there."""
    origin = Origin("cancelled", NOON)

    def note() -> Program[int]:
        journal = yield from open_journal(origin)
        seq = journal.add(EventKind.BATCH_RECEIVED, {})
        yield from journal.close()
        return seq

    for turn in range(40):
        given_up = [asyncio.ensure_future(store.write(note)) for _ in range(3)]
        for _ in range(turn % 5):
            await asyncio.sleep(0)
        await asyncio.sleep(0.0003 * (turn % 8))
        for task in given_up:
            task.cancel()
        await asyncio.gather(*given_up, return_exceptions=True)
        async with asyncio.timeout(10):
            seq = await store.write(note)
        assert (await store.read(lambda: read_head(0))).seq == seq
