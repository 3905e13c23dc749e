"""A session is its principal's alone, ends when nobody uses it, and costs little."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from callgate.downstream.sessions import MOST_DECLARED_BYTES, Flights, Session, Sessions, declared
from callgate.protocol.jsonrpc import Malformed, Message
from fakes.calls import a_principal
from fakes.clock import FakeClock

ADA, EVE = a_principal("ada"), a_principal("eve")
IDLE_SECONDS = 100.0
MOST_BYTES_EACH = 20_000


class House:
    """Sessions, their clock, and which of them have ended."""

    def __init__(self, most: int = 10) -> None:
        self.clock = FakeClock()
        self.ended: list[Session] = []
        self.sessions = Sessions(
            self.clock, idle_seconds=IDLE_SECONDS, most=most, on_close=self.ended.append
        )

    def open(self, principal: Any = ADA) -> Session:
        return self.sessions.open(principal, "2025-11-25", {"name": "x"}, {"roots": {}})


def test_a_session_keeps_what_was_agreed() -> None:
    session = House().open()

    assert (session.client, session.capabilities) == ({"name": "x"}, {"roots": {}})
    assert session.key == f"s:{session.id}"
    assert session.principal is ADA
    assert all(0x21 <= ord(character) <= 0x7E for character in session.id)


def test_only_its_principal_finds_it() -> None:
    house = House()
    session = house.open()

    found = [house.sessions.find(session.id, who) for who in (ADA, EVE, a_principal("ada"))]

    assert found == [session, None, session]
    assert house.sessions.find("guess", ADA) is None


def test_an_idle_session_is_ended_by_the_sweep_and_released_once() -> None:
    house = House()
    session = house.open()

    for _ in range(3):
        house.clock.advance(IDLE_SECONDS / 2)
        house.sessions.sweep()
    house.sessions.close(session)

    assert house.ended == [session]
    assert len(house.sessions) == 0
    assert (session.is_closed, session.asks.is_closed, session.beyond.is_gone) == (True,) * 3


def test_a_session_that_is_used_stays() -> None:
    house = House()
    kept, left = house.open(), house.open()

    for _ in range(4):
        house.clock.advance(IDLE_SECONDS / 2)
        house.sessions.find(kept.id, ADA)
        house.sessions.sweep()

    assert house.ended == [left]


def _reads(session: Session) -> None:
    session.streams.standing.attach(0)


def _resumes(session: Session) -> None:
    session.streams.open().attach(0)


def _calls(session: Session) -> None:
    task = asyncio.current_task()
    assert task is not None
    session.in_flight.begin(1, task)


def _is_asked(session: Session) -> None:
    session.asks._waiting["cg-1"] = asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("use", [_reads, _resumes, _calls, _is_asked])
def test_a_busy_session_is_not_idle_and_hides_no_other(use: Callable[[Session], None]) -> None:
    async def run() -> None:
        house = House()
        busy, idle = house.open(), house.open()
        use(busy)
        house.clock.advance(IDLE_SECONDS + 1)

        house.sessions.sweep()

        assert house.ended == [idle]
        assert house.sessions.find(busy.id, ADA) is busy

    asyncio.run(run())


def test_a_busy_session_counts_as_used_until_it_is_not() -> None:
    async def run() -> list[int]:
        house, counts = House(), []
        reading = house.open().streams.standing.attach(0)
        for is_open in (True, True, False, False):
            house.clock.advance(IDLE_SECONDS - 1)
            if not is_open:
                reading.close()
            house.sessions.sweep()
            counts.append(len(house.ended))
        return counts

    assert asyncio.run(run()) == [0, 0, 0, 1]


def test_where_there_are_too_many_the_one_idle_longest_goes_and_is_released() -> None:
    house = House(most=2)
    first, second = house.open(), house.open()
    house.sessions.find(first.id, ADA)

    house.open()

    assert house.ended == [second]
    assert len(house.sessions) == 2


def test_who_opens_one_after_the_other_ends_nobody_elses() -> None:
    house = House(most=3)
    ada, *eves = house.open(ADA), house.open(EVE), house.open(EVE)

    for _ in range(3):
        eves.append(house.open(EVE))

    assert house.ended == eves[:3]
    assert house.sessions.find(ada.id, ADA) is ada


def test_a_session_in_use_makes_no_room_while_another_is_idle() -> None:
    async def run() -> None:
        house = House(most=2)
        busy, idle = house.open(), house.open()
        calls = [asyncio.ensure_future(asyncio.Event().wait()) for _ in range(2)]
        busy.in_flight.begin(1, calls[0])

        third = house.open()
        assert house.ended == [idle]

        third.in_flight.begin(1, calls[1])
        house.open()
        assert house.ended == [idle, busy]
        calls[1].cancel()
        await asyncio.wait(calls)

    asyncio.run(run())


def test_calls_of_one_id_are_all_cancelled_and_end_one_by_one() -> None:
    async def run() -> None:
        flights = Flights()
        tasks = [asyncio.ensure_future(asyncio.Event().wait()) for _ in range(3)]
        first, second, _third = (flights.begin(7, task) for task in tasks)
        flights.end(first)
        assert flights
        flights.cancel(7)
        await asyncio.sleep(0)
        assert [task.cancelled() for task in tasks] == [False, True, True]
        assert second.is_cancelled
        tasks[0].cancel()
        await asyncio.wait(tasks)

    asyncio.run(run())


def test_a_session_found_after_its_time_has_ended() -> None:
    house = House()
    session = house.open()
    house.clock.advance(IDLE_SECONDS + 1)

    assert house.sessions.find(session.id, ADA) is None
    assert house.ended == [session]


def test_stopping_ends_all() -> None:
    house = House()
    opened = [house.open() for _ in range(3)]

    house.sessions.close_all()

    assert house.ended == opened


def test_a_closed_session_is_not_brought_back_by_a_late_use() -> None:
    house = House()
    session = house.open()
    house.sessions.close(session)

    house.sessions.use(session)

    assert len(house.sessions) == 0


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({}, ({}, {})),
        ({"clientInfo": 5, "capabilities": []}, ({}, {})),
        (
            {"clientInfo": {"name": "x"}, "capabilities": {"roots": {}}},
            ({"name": "x"}, {"roots": {}}),
        ),
    ],
)
def test_what_a_client_declares_is_read(params: Any, found: Any) -> None:
    assert declared(Message(id=1, method="initialize", params=params)) == found


def test_a_client_that_declares_too_much_is_refused() -> None:
    params = {"capabilities": {"experimental": {"x": "y" * MOST_DECLARED_BYTES}}}

    with pytest.raises(Malformed, match="larger than"):
        declared(Message(id=1, method="initialize", params=params))


def test_a_thousand_idle_sessions_cost_little() -> None:
    async def run() -> float:
        house = House(most=2000)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for number in range(1000):
            principal = a_principal(f"p{number}", "g1", "g2", claims={"sub": f"p{number}"})
            session = house.open(principal)
            await session.beyond.notify("notifications/tools/list_changed", {})
        gc.collect()
        used = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        return used / 1000

    each = asyncio.run(run())
    assert 100 < each < MOST_BYTES_EACH
