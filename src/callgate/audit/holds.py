"""Legal holds: what must not be erased until somebody says so, as events of the record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from callgate.audit.event import event
from callgate.audit.record import Entry
from callgate.audit.selecting import Facts, Selector, selector_of
from callgate.model import Json, Value

HOLD_PLACED = "hold_placed"
HOLD_RELEASED = "hold_released"
MAX_REASON = 2_000  # characters


class Hold(Value):
    """One hold."""

    id: str  # of its event
    selector: Selector
    reason: str
    author: str
    at: str  # RFC 3339

    def told(self) -> dict[str, Json]:
        """As answers have it."""
        return {
            "id": self.id,
            "covers": self.selector.told(),
            "reason": self.reason,
            "author": self.author,
            "at": self.at,
        }


def hold_placed(selector: Selector, reason: str, author: str, at: float) -> Entry:
    """The event that places a hold. Its id is the hold's."""
    said: dict[str, Json] = {"covers": selector.told(), "reason": reason, "author": author}
    return event(HOLD_PLACED, at, said)


def hold_released(hold: str, reason: str, author: str, at: float) -> Entry:
    """The event that ends a hold."""
    return event(HOLD_RELEASED, at, {"hold": hold, "reason": reason, "author": author})


def holds_of(events: Iterable[dict[str, Json]]) -> Sequence[Hold]:
    """The holds in force, the oldest first.

    One that cannot be read holds everything: it was meant to hold something.
    """
    placed: dict[str, Hold] = {}
    released: set[str] = set()
    for said in events:
        if said.get("event") == HOLD_RELEASED:
            released.add(str(said.get("hold")))
            continue
        try:
            selector = selector_of(said.get("covers"))
        except ValueError:
            selector = Selector()
        identifier = str(said.get("call"))
        placed[identifier] = Hold(
            id=identifier,
            selector=selector,
            reason=str(said.get("reason") or ""),
            author=str(said.get("author") or ""),
            at=str(said.get("at") or ""),
        )
    found = (hold for hold in placed.values() if hold.id not in released)
    return sorted(found, key=lambda hold: (hold.at, hold.id))


def holding(holds: Iterable[Hold], facts: Facts) -> Hold | None:
    """The first hold that keeps the record."""
    return next((hold for hold in holds if hold.selector.covers(facts)), None)
