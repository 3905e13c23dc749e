"""What operators have held and erased, made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from callgate.audit.holds import Hold
from callgate.audit.retaining import Kept, Tally
from callgate.audit.selecting import Selector
from callgate.ports import StoreError

HOLD = Hold(id="e1", selector=Selector(run="r1"), reason="a case", author="eve", at="2026")


class FakeErasingDesk:
    """Implements ErasingDesk: remembers what it was asked."""

    def __init__(self, fault: str | None = None) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self._fault = fault

    def holds(self) -> Sequence[Hold]:
        self._note("holds")
        return [HOLD]

    def place(self, selector: Selector, reason: str, author: str) -> Hold:
        self._note("place", selector, reason, author)
        return HOLD

    def release(self, hold: str, reason: str, author: str) -> Hold | None:
        self._note("release", hold, reason, author)
        return HOLD if hold == "e1" else None

    def count(self, selector: Selector, kept: Kept) -> Tally:
        self._note("count", selector, kept)
        return Tally(entries=2, calls=1, held=1)

    def erase(self, selector: Selector, kept: Kept, reason: str, author: str) -> Tally:
        self._note("erase", selector, kept, reason, author)
        return Tally(entries=2, calls=1)

    def _note(self, *asked: Any) -> None:
        if self._fault is not None:
            raise StoreError(self._fault)
        self.asked.append(asked)
