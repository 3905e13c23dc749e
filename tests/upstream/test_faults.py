"""Each way to fail says whether the tool may have run, and only what was sent may have."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from callgate.deadlines import NEVER, Deadlines
from callgate.model import Ran
from callgate.ports import TargetError
from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError
from callgate.protocol.outbound import WireError
from callgate.upstream.faults import Faults, Lost, Patience, Unreachable, within
from callgate.upstream.sharing import Full
from callgate.upstream.tasks import Closed


@dataclass
class Sent:
    is_sent: bool


def fault_of(error: Exception | None, *, is_sent: bool) -> TargetError:
    async def work() -> None:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    with pytest.raises(TargetError) as raised:
        asyncio.run(within(0.01, Faults("shop"), Sent(is_sent), work()))
    return raised.value


@pytest.mark.parametrize(
    ("error", "code", "ran"),
    [
        (None, "target_timeout", Ran.UNKNOWN),
        (Unreachable("x"), "target_unavailable", Ran.NO),
        (Closed("x"), "target_unavailable", Ran.NO),
        (Full("x"), "target_unavailable", Ran.NO),
        (Lost("x"), "target_lost", Ran.UNKNOWN),
        (HttpError("x"), "target_protocol_error", Ran.UNKNOWN),
        (FramingError("x"), "target_protocol_error", Ran.UNKNOWN),
        (WireError("x"), "target_protocol_error", Ran.UNKNOWN),
        (WireError("x", ran=Ran.YES), "target_protocol_error", Ran.YES),
    ],
)
def test_what_was_sent_may_have_run(error: Exception | None, code: str, ran: Ran) -> None:
    fault = fault_of(error, is_sent=True)
    assert (fault.code, fault.ran) == (code, ran)
    assert "shop" in fault.reason
    assert fault.detail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, "target_timeout"),
        (Unreachable("x"), "target_unavailable"),
        (Lost("x"), "target_unavailable"),
        (HttpError("x"), "target_protocol_error"),
        (WireError("x", ran=Ran.YES), "target_protocol_error"),
    ],
)
def test_what_was_never_sent_did_not_run(error: Exception | None, code: str) -> None:
    fault = fault_of(error, is_sent=False)
    assert (fault.code, fault.ran) == (code, Ran.NO)


def test_the_ports_own_error_passes_and_so_do_our_own_bugs() -> None:
    own = Faults("shop").unavailable("x", reason="is asleep")
    assert fault_of(own, is_sent=True) is own
    assert "shop is asleep" in own.reason

    async def bug() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        asyncio.run(within(1, Faults("shop"), Sent(False), bug()))


def test_the_time_stands_still_while_somebody_is_asked_and_goes_on_where_it_stopped() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        patience = Patience(100.0)
        patience.begin(Deadlines(), 100.0)
        began = loop.time()
        with patience:
            assert patience.at == NEVER
            with patience:  # a second question at the same time
                assert patience.at == NEVER
            assert patience.at == NEVER
        assert began + 99.0 < patience.at <= loop.time() + 100.0
        patience.end()

    asyncio.run(scenario())


def test_an_answer_that_comes_when_nobody_waits_any_more_changes_nothing() -> None:
    async def scenario() -> None:
        patience = Patience(100.0)

        async def ask_and_go() -> None:
            patience.__enter__()

        await within(patience, Faults("shop"), Sent(True), ask_and_go())
        patience.__exit__()
        with patience:
            pass

        patience = Patience(0.0)
        with pytest.raises(TargetError, match="target_timeout"):
            await within(patience, Faults("shop"), Sent(True), ask_late(patience))

    async def ask_late(patience: Patience) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            with patience:  # the time is up already
                pass

    asyncio.run(scenario())
