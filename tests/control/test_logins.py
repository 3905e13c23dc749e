"""Who came is told; what anybody can send without end is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from callgate.control import logins as module
from callgate.control.logins import AGAIN_SECONDS, NO_TOKEN, UNKNOWN_TOKEN, Logins
from fakes.clock import FakeClock
from fakes.store import until


def told_of(play: Callable[[Logins, FakeClock], None]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    clock = FakeClock()

    async def run() -> None:
        play(Logins(told.append, clock.ticks), clock)

    asyncio.run(run())
    return told


def test_an_operator_is_told_of_once_for_each_address() -> None:
    def play(logins: Logins, _: FakeClock) -> None:
        for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.1"):
            logins.succeeded("ada", address)
        logins.succeeded("bob", "10.0.0.1")

    assert told_of(play) == [
        {"result": "succeeded", "operator": "ada", "from": "10.0.0.1"},
        {"result": "succeeded", "operator": "ada", "from": "10.0.0.2"},
        {"result": "succeeded", "operator": "bob", "from": "10.0.0.1"},
    ]


def test_who_still_comes_after_an_hour_is_told_of_again() -> None:
    def play(logins: Logins, clock: FakeClock) -> None:
        for _ in range(3):
            logins.succeeded("ada", "a")
        clock.advance(AGAIN_SECONDS)
        logins.succeeded("ada", "a")

    assert told_of(play)[1:] == [
        {"result": "succeeded", "operator": "ada", "from": "a", "requests_before": 2}
    ]


def test_the_first_failure_is_told_at_once_and_those_that_follow_are_counted() -> None:
    def play(logins: Logins, _: FakeClock) -> None:
        logins.failed("a", NO_TOKEN)
        for address in ("a", "b", "b"):
            logins.failed(address, UNKNOWN_TOKEN)
        logins.flush()
        logins.flush()

    assert told_of(play) == [
        {"result": "failed", "count": 1, "from": {"a": 1}, "reasons": {"no token": 1}},
        {
            "result": "failed",
            "count": 3,
            "from": {"b": 2, "a": 1},
            "reasons": {"unknown token": 3},
        },
    ]


def test_nobody_can_flood_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KNOWN", 50)

    def play(logins: Logins, _: FakeClock) -> None:
        for number in range(10_000):
            logins.failed(f"10.0.{number // 256}.{number % 256}", UNKNOWN_TOKEN)
        logins.flush()

    first, rest = told_of(play)
    assert (first["count"], rest["count"]) == (1, 9_999)
    assert (len(rest["from"]), rest["further_addresses"]) == (10, 40)


def test_what_was_counted_is_told_when_its_minute_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WINDOW_SECONDS", 0.0)
    told: list[dict[str, Any]] = []

    async def run() -> None:
        logins = Logins(told.append, FakeClock().ticks)
        logins.failed("a", NO_TOKEN)
        logins.failed("a", NO_TOKEN)
        await until(lambda: len(told) == 2)

    asyncio.run(run())
    assert [one["count"] for one in told] == [1, 1]


def test_after_a_quiet_minute_a_failure_is_told_at_once_again() -> None:
    def play(logins: Logins, _: FakeClock) -> None:
        logins.failed("a", NO_TOKEN)
        logins.flush()
        logins.failed("a", NO_TOKEN)

    assert [one["count"] for one in told_of(play)] == [1, 1]


def test_the_memory_of_operators_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KNOWN", 2)

    def play(logins: Logins, _: FakeClock) -> None:
        for address in ("a", "b", "c", "a"):
            logins.succeeded("ada", address)

    assert [one["from"] for one in told_of(play)] == ["a", "b", "c", "a"]
