"""Gateways on one record start, are cut off and die in whatever order: each call has one outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callgate.audit.keys import SigningKey
from callgate.audit.record import Entry, content_of
from callgate.audit.verifying import Trust, verify
from callgate.ports import StoreError
from callgate.storage.appending import Appender
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from fakes.kept import kept
from fakes.postgres import a_database, terminate
from fakes.store import an_intent, an_outcome
from fakes.writing import an_appender

KEY = SigningKey.generated("callgate.example")
MOST = 3
which = st.integers(0, MOST - 1)
STEPS = st.one_of(
    st.tuples(st.just("begin"), which),
    st.tuples(st.just("end"), which),
    st.tuples(st.just("start")),
    st.tuples(st.just("stop"), which),
    st.tuples(st.just("die"), which),
    st.tuples(st.just("cut_off")),
)
TWO_ARE_TAKEN_FOR_DEAD: list[tuple[Any, ...]] = [
    *[("start",)] * 2, ("begin", 0), ("begin", 1), ("cut_off",), ("start",), ("end", 0), ("end", 1),
]  # fmt: skip


class Gateway:
    """As the record sees it: intents are given up where they fail, outcomes are not."""

    def __init__(self, record: StoreSettings) -> None:
        self.appender: Appender = an_appender(record)
        self.calls: list[str] = []  # in flight

    def write(self, entry: Entry) -> bool:
        for _ in range(3):
            try:
                self.appender.write([entry])
                return True
            except StoreError:
                self.appender.reopen()
                if entry.kind == "intent":
                    return False
        raise AssertionError("it can be written again")


class World:
    """A record, who writes to it, and how their calls ended."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.record = StoreSettings(url=url, signing_key=KEY.text)
        self.alive: list[Gateway] = []
        self.ended: dict[str, str] = {}  # call → its code, as its gateway knows it
        self._numbers = count()

    def do(self, steps: Sequence[tuple[Any, ...]]) -> None:
        for name, *numbers in steps:
            self._do(name, *numbers)
        while self.alive:
            self._do("stop", 0)
        an_appender(self.record).close()  # ends what the dead left open

    def _do(self, name: str, number: int | None = None) -> None:
        if number is None:
            getattr(self, f"_{name}")()
        elif number < len(self.alive):
            getattr(self, f"_{name}")(self.alive[number])

    def _begin(self, gateway: Gateway) -> None:
        call = f"c{next(self._numbers):06}"
        if gateway.write(an_intent(call)):
            gateway.calls.append(call)
        else:
            self._finish(gateway, call, "record_unavailable")

    def _end(self, gateway: Gateway) -> None:
        if gateway.calls:
            self._finish(gateway, gateway.calls.pop(), "ok")

    def _finish(self, gateway: Gateway, call: str, code: str) -> None:
        self.ended[call] = code
        gateway.write(an_outcome(call, code=code))

    def _start(self) -> None:
        if len(self.alive) < MOST:
            self.alive.append(Gateway(self.record))

    def _stop(self, gateway: Gateway) -> None:
        while gateway.calls:
            self._end(gateway)
        gateway.appender.close()
        self.alive.remove(gateway)

    def _die(self, gateway: Gateway) -> None:
        gateway.appender._disconnect()  # its session ends, and it says nothing
        self.alive.remove(gateway)

    def _cut_off(self) -> None:
        terminate(self.url)

    def hold(self) -> None:
        entries = kept(self.record)
        intents = Counter(one.call_id for one in entries if one.kind == "intent")
        outcomes = Counter(one.call_id for one in entries if one.kind == "outcome")
        assert set(intents.values()) <= {1}
        assert set(outcomes.values()) <= {1}
        assert intents.keys() <= outcomes.keys()
        told = {
            one.call_id: msgspec.json.decode(one.body)["code"]
            for one in entries
            if one.kind == "outcome"
        }
        for one in entries:
            if one.code == "call_ended_after_all":
                content = content_of(one)
                assert told[content["of"]] == "interrupted"
                told[content["of"]] = content["code"]
        assert {call: told.get(call) for call in self.ended} == self.ended
        reader = open_log(self.record)
        try:
            assert verify(reader, Trust(keys=(KEY.verifier,))).failures == ()
        finally:
            reader.close()


def test_each_call_has_one_outcome_and_the_record_says_how_it_ended() -> None:
    with a_database() as url:
        world = World(url)

        @example(steps=TWO_ARE_TAKEN_FOR_DEAD)
        @given(steps=st.lists(STEPS, min_size=5, max_size=16))
        @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        def holds(steps: list[tuple[Any, ...]]) -> None:
            world.do(steps)
            world.hold()

        holds()
