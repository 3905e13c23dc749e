"""A record of many calls in memory, destinations that do as they are told, cursors in memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import Wanted
from callgate.exports.export import Batch, DestinationError
from callgate.ports import CallFilter, Positions, StoreError
from fakes.exported import ORIGIN, a_recorded_call

CALLS = Wanted(form="calls", origin=ORIGIN, most=3)


class FakeSource:
    """Implements RecordScanner: calls in one log, which a test adds to."""

    def __init__(self, calls: int = 0) -> None:
        self.calls = [a_recorded_call(number=number) for number in range(calls)]
        self.fault: str | None = None
        self.open_walks = 0

    def grow(self, calls: int = 1) -> None:
        begin = len(self.calls)
        self.calls += [a_recorded_call(number=number) for number in range(begin, begin + calls)]

    def scan_calls(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Any]]]:
        if self.fault is not None:
            raise StoreError(self.fault)
        self.open_walks += 1
        try:
            for call in self.calls:
                seq = call["records"][-1]["seq"]
                if seq >= after.get(1, 0):
                    yield {1: seq + 1}, call
        finally:
            self.open_walks -= 1

    scan = scan_calls

    def heads(self) -> dict[int, int]:
        return {1: 2 * len(self.calls)}


class FakeCursors:
    """Implements Cursors; what is saved outlives those who saved it."""

    def __init__(self) -> None:
        self.saved: dict[str, ExportCursor] = {}
        self.held: set[str] = set()
        self.faults: list[str] = []

    @contextmanager
    def hold(self, name: str) -> Iterator[FakeCursor | None]:
        if name in self.held:
            yield None
            return
        self.held.add(name)
        try:
            yield FakeCursor(self, name)
        finally:
            self.held.remove(name)


class FakeCursor:
    """Implements HeldCursor."""

    def __init__(self, cursors: FakeCursors, name: str) -> None:
        self._cursors = cursors
        self._name = name

    def load(self) -> ExportCursor | None:
        return self._cursors.saved.get(self._name)

    def save(self, cursor: ExportCursor) -> None:
        if self._cursors.faults:
            raise StoreError(self._cursors.faults.pop(0))
        self._cursors.saved[self._name] = cursor


class FakeDestination:
    """Implements Destination; `faults` are raised first, one each time."""

    def __init__(self, *faults: DestinationError) -> None:
        self.most = 3
        self.faults = list(faults)
        self.taken: list[dict[str, Any]] = []
        self.batches: list[int] = []
        self.is_closed = False
        self.largest = 1000

    @property
    def numbers(self) -> list[int]:
        return [int(call["call"][-5:]) for call in self.taken]

    async def send(self, batch: Batch) -> None:
        self.batches.append(len(batch.records))
        if self.faults:
            raise self.faults.pop(0)
        if len(batch.records) > self.largest:
            raise DestinationError("too much", is_too_large=True)
        self.taken += batch.said

    async def close(self) -> None:
        self.is_closed = True
