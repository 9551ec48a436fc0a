"""Proof of work past a budget: ours, his, in time, hard enough, and once."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verify.lookup import challenge as rules
from verify.lookup.challenge import BASE, LIFE_S, Challenge, Challenges


class Clock:
    def __init__(self) -> None:
        self.at = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


def sign(body: bytes) -> bytes:
    return hmac.digest(b"k" * 32, body, "sha256")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def desk(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Challenges:
    monkeypatch.setattr(rules, "BASE", 40)
    return Challenges(sign, now=clock)


def solve(given: Challenge, **changes: Any) -> str:
    number = next(
        n
        for n in range(given.maxnumber + 1)
        if hashlib.sha256(f"{given.salt}{n}".encode()).hexdigest() == given.challenge
    )
    body = {
        "algorithm": given.algorithm, "challenge": given.challenge, "number": number, "salt": given.salt,
        "signature": given.signature, "took": 12,
    }  # fmt: skip
    return base64.b64encode(json.dumps(body | changes).encode()).decode()


async def test_a_solution_counts_once(desk: Challenges) -> None:
    solution = solve(desk.give("1.2.3.4", "a"))
    assert await desk.take(solution, "1.2.3.4", "a")
    assert not await desk.take(solution, "1.2.3.4", "a")
    assert not await desk.take(solution, "1.2.3.4", "b")


async def test_only_the_asker_in_time_with_our_own_challenge(desk: Challenges, clock: Clock) -> None:
    given = desk.give("1.2.3.4", "a")
    assert not await desk.take(solve(given), "9.9.9.9", "a")
    assert not await desk.take(solve(given, signature="0" * 64), "1.2.3.4", "a")
    assert not await desk.take(solve(given, algorithm="SHA-1"), "1.2.3.4", "a")
    clock.at += LIFE_S + 1
    assert not await desk.take(solve(given), "1.2.3.4", "a")
    clock.at -= 2 * LIFE_S
    assert not await desk.take(solve(given), "1.2.3.4", "a")


async def test_digits_moved_between_salt_and_number_win_neither_time_nor_a_second_pass(
    desk: Challenges, clock: Clock
) -> None:
    given = next(one for one in iter(lambda: desk.give("x", "a"), None) if json.loads(
        base64.b64decode(solve(one)))["number"] > 9)  # fmt: skip
    digits = str(json.loads(base64.b64decode(solve(given)))["number"])
    moved = solve(given, salt=given.salt + digits[0], number=int(digits[1:]))
    assert not await desk.take(solve(given, salt=given.salt[:-1]), "x", "a")
    assert not await desk.take(solve(given, salt=given.salt.replace("expires=1", "expires=2")), "x", "a")
    clock.at += LIFE_S + 1
    assert not await desk.take(moved, "x", "a")
    clock.at -= LIFE_S + 1
    passed = [await desk.take(one, "x", "a") for one in (moved, solve(given), moved)]
    assert sum(passed) == 1


async def test_it_grows_harder_with_use_and_easier_with_rest(desk: Challenges, clock: Clock) -> None:
    first = desk.give("x", "a")
    for _ in range(64):
        assert await desk.take(solve(desk.give("x", "a")), "x", "a")
    harder = desk.give("x", "a")
    assert harder.maxnumber > 8 * first.maxnumber
    assert desk.give("x", "b").maxnumber == first.maxnumber
    assert not await desk.take(solve(first), "x", "a")  # a stock of easy ones is worth nothing
    clock.at += 3600
    assert desk.give("x", "a").maxnumber <= first.maxnumber + 1


async def test_memory_is_bounded_and_full_memory_lets_nobody_pass_twice(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "BASE", 10)
    desk = Challenges(sign, now=clock, max_keys=4)
    used = [solve(desk.give("x", f"{i}")) for i in range(4)]
    assert all([await desk.take(one, "x", f"{i}") for i, one in enumerate(used)])
    assert not await desk.take(solve(desk.give("x", "z")), "x", "z")
    assert not any([await desk.take(one, "x", f"{i}") for i, one in enumerate(used)])
    clock.at += LIFE_S + 1
    assert await desk.take(solve(desk.give("x", "z")), "x", "z")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda b: base64.b64encode(b).decode()))
def test_rubbish_is_refused_quietly(text: str) -> None:
    assert not asyncio.run(Challenges(sign, now=Clock()).take(text, "x", "a"))


def test_the_first_challenge_is_one_to_two_seconds_of_a_phone() -> None:
    assert Challenges(sign, now=Clock()).give("x", "a").maxnumber == BASE == 50_000
