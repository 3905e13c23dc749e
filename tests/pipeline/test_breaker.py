"""A failing interceptor is left alone for a while, and tried again by one call at a time."""

import asyncio

import pytest

from callgate.pipeline.breaker import Breaker, CircuitOpenError, Gate


def opened(seconds: float = 10.0) -> Breaker:
    breaker = Breaker(failures=2, seconds=seconds)
    breaker.failed(0.0)
    breaker.failed(1.0)
    return breaker


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    breaker = Breaker(failures=2)

    breaker.failed(0.0)
    breaker.succeeded()
    breaker.failed(1.0)

    assert not breaker.is_open
    breaker.admit(1.0)


def test_an_open_one_admits_nobody_until_its_time_is_over() -> None:
    breaker = opened()

    for now in (1.0, 10.9):
        with pytest.raises(CircuitOpenError, match="2 times in a row"):
            breaker.admit(now)
    breaker.admit(11.0)


def test_one_call_at_a_time_tries_again() -> None:
    breaker = opened()
    breaker.admit(11.0)

    with pytest.raises(CircuitOpenError):
        breaker.admit(11.0)


def test_a_trial_that_succeeds_closes_it_and_one_that_fails_opens_it_anew() -> None:
    breaker = opened()
    breaker.admit(11.0)
    breaker.failed(12.0)

    with pytest.raises(CircuitOpenError):
        breaker.admit(21.0)
    breaker.admit(22.0)
    breaker.succeeded()
    assert not breaker.is_open


def test_a_trial_that_nobody_waits_for_leaves_room_for_the_next() -> None:
    breaker = opened()
    breaker.admit(11.0)
    breaker.gave_up()

    breaker.admit(11.0)


def test_without_a_number_of_failures_it_never_opens() -> None:
    breaker = Breaker(failures=0)
    for now in range(100):
        breaker.failed(float(now))

    breaker.admit(100.0)


def test_a_gate_has_so_many_places() -> None:
    async def scene() -> tuple[bool, bool]:
        gate = Gate(most=1)
        await gate.enter()
        is_full = gate.is_full
        gate.leave()
        return is_full, gate.is_full

    assert asyncio.run(scene()) == (True, False)
