"""A record in memory, and entries to put into one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from callgate.audit import telling
from callgate.audit.keeping import Keeping
from callgate.audit.record import Entry, Telling
from callgate.model import Call, Outcome, Ran, Reply, Verdict
from callgate.ports import StoreError
from callgate.protocol.jsonrpc import encode
from fakes.calls import a_call, a_principal, a_tool

NOW = 1_790_000_000.0
KEEPING = Keeping()


class FakeCallStore:
    """Implements CallStore: `kept` is what is kept. `fail` breaks it until `mend`."""

    def __init__(self) -> None:
        self.kept: list[Entry] = []
        self._queued: list[Entry] = []
        self._fault: str | None = None
        self._is_closed = False

    async def append(self, entry: Telling) -> None:
        self._refuse_when_closed()
        if self._fault is not None:
            raise StoreError(self._fault)
        self.kept.append(entry.told())

    def append_soon(self, entry: Telling) -> None:
        self._refuse_when_closed()
        (self.kept if self._fault is None else self._queued).append(entry.told())

    @property
    def entries(self) -> list[Entry]:
        """Of calls."""
        return [entry for entry in self.kept if entry.kind != "event"]

    @property
    def events(self) -> list[Entry]:
        """What is kept beside calls."""
        return [entry for entry in self.kept if entry.kind == "event"]

    @property
    def is_healthy(self) -> bool:
        return self._fault is None

    @property
    def fault(self) -> str | None:
        return self._fault

    @property
    def damage(self) -> tuple[str, ...]:
        return ()

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        self._is_closed = True

    def fail(self, reason: str = "disk full") -> None:
        """From here on nothing can be written."""
        self._fault = reason

    def mend(self) -> None:
        """Writing works again; what was queued is written."""
        self._fault = None
        self.kept += self._queued
        self._queued.clear()

    def _refuse_when_closed(self) -> None:
        if self._is_closed:
            raise StoreError("the record is closed")


def an_ending_call(call_id: str, **more: Any) -> Call:
    """A call that was permitted, sent and answered."""
    settings: dict[str, Any] = {
        "id": call_id,
        "principal": a_principal("ada", "ops", agent="helper"),
        "tool": a_tool(),
        "arguments": {"customer": "c1", "amount": 5},
        "sealed_digest": "5" * 64,
        "verdict": Verdict(is_permitted=True, policies=("p1",), reason="permitted by p1"),
        "reply": Reply(body=b'{"content":[]}'),
        "ran": Ran.YES,
        **more,
    }
    settings.setdefault("sealed", encode(settings["arguments"]))
    return a_call(**settings)


def an_intent(call_id: str = "c000", at: float = NOW, **more: Any) -> Entry:
    """The entry before the call is sent."""
    return an_untold_intent(call_id, at, **more).told()


def an_untold_intent(call_id: str = "c000", at: float = NOW, **more: Any) -> telling.Intended:
    """The same, as the call path hands it to the record."""
    call = replace(an_ending_call(call_id, **more), ran=Ran.NO, reply=None)
    return telling.Intended(call=call, at=at, keeping=KEEPING)


def an_outcome(
    call_id: str = "c000", at: float = NOW + 0.5, code: str | None = None, **more: Any
) -> Entry:
    """The entry after it: delivered, or refused with a code."""
    return an_untold_outcome(call_id, at, code, **more).told()


def an_untold_outcome(
    call_id: str = "c000", at: float = NOW + 0.5, code: str | None = None, **more: Any
) -> telling.Ended:
    """The same, as the call path hands it to the record."""
    last = "forward" if code in (None, "result_withheld") else "authorize"
    ended = Outcome(
        call=an_ending_call(call_id, **more),
        timings={"identify": 0.001, last: 0.0115},
        refusal_code=code,
        reason="" if code is None else "It is not to be.",
        is_delivered=code is None,
    )
    return telling.Ended(outcome=ended, at=at, keeping=KEEPING)


async def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread or process does, be it one of low priority."""
    async with asyncio.timeout(120):
        while not condition():  # noqa: ASYNC110 - what is waited for knows no asyncio
            await asyncio.sleep(0.002)
