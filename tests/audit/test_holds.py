"""Holds hold until they are released; one that cannot be read holds everything."""

from __future__ import annotations

import msgspec

from callgate.audit.holds import hold_placed, hold_released, holding, holds_of
from callgate.audit.selecting import Facts, Selector

FACTS = Facts(position=1, kind="intent", call="c1", at=0.0, principal="ada")


def test_a_hold_is_in_force_from_its_event_until_the_one_that_releases_it() -> None:
    placed = hold_placed(Selector(principal="ada"), "a case", "eve", 1.0)
    said = msgspec.json.decode(placed.body)
    (hold,) = holds_of([said])
    assert (hold.id, hold.reason, hold.author) == (placed.call_id, "a case", "eve")
    assert holding([hold], FACTS) == hold
    assert hold.told()["covers"] == {"principal": "ada"}
    released = msgspec.json.decode(hold_released(hold.id, "over", "eve", 2.0).body)
    assert holds_of([released, said]) == []


def test_a_hold_that_cannot_be_read_holds_everything() -> None:
    (hold,) = holds_of([{"event": "hold_placed", "call": "e1", "covers": {"of_later": 1}}])
    assert holding([hold], FACTS) == hold


def test_what_no_hold_covers_is_free() -> None:
    placed = msgspec.json.decode(hold_placed(Selector(run="r1"), "", "eve", 1.0).body)
    assert holding(holds_of([placed]), FACTS) is None
