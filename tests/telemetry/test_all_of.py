"""Several telemetries as one."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

import pytest

from callgate.model import Call, Outcome
from callgate.pipeline.pipeline import govern
from callgate.telemetry.all_of import AllOf
from callgate.telemetry.nothing import NoTelemetry
from fakes.calls import a_call
from fakes.gateway import a_gateway
from fakes.outcomes import ended
from fakes.target import FakeCaller, FakeConnector

OUTCOME = ended()


@dataclass
class Watching:
    """Remembers what it was told; fails where a test wants that."""

    traceparent: str | None = None
    fails_at: str = ""
    begun: list[Call] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)

    def begin(self, call: Call) -> Watching:
        if self.fails_at == "begin":
            raise RuntimeError("cannot begin")
        self.begun.append(call)
        return self

    def end(self, outcome: Outcome) -> None:
        if self.fails_at == "end":
            raise RuntimeError("cannot end")
        self.ended.append(outcome)


def test_every_part_sees_every_call_begin_and_end_once() -> None:
    parts = [Watching(), Watching()]

    AllOf(parts).begin(OUTCOME.call).end(OUTCOME)

    for part in parts:
        assert (part.begun, part.ended) == ([OUTCOME.call], [OUTCOME])


def test_the_first_traceparent_goes_upstream() -> None:
    span = AllOf([NoTelemetry(), Watching("00-a"), Watching("00-b")]).begin(OUTCOME.call)

    assert span.traceparent == "00-a"


def test_where_no_part_has_one_the_callers_own_stays() -> None:
    assert AllOf([NoTelemetry()]).begin(OUTCOME.call).traceparent is None
    assert AllOf([]).begin(OUTCOME.call).traceparent is None


@pytest.mark.parametrize("moment", ["begin", "end"])
def test_a_part_that_fails_costs_neither_the_call_nor_the_other_parts(
    moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    sound, target = Watching(), FakeConnector()
    gateway = a_gateway(connector=target, telemetry=AllOf([Watching(fails_at=moment), sound]))
    call = a_call(arguments={"customer": "c1", "amount": 5})

    with caplog.at_level(logging.ERROR, logger="callgate.telemetry"):
        outcome = asyncio.run(govern(call, gateway, FakeCaller()))

    assert outcome.refusal_code is None
    assert len(target.asked) == 1
    assert sound.ended == [outcome]
    assert f"cannot {moment}" in caplog.text
