"""Operators hold, release and erase under their names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callgate.audit.selecting import Selector
from callgate.ports import StoreError
from callgate.storage.retention.desk import ErasingDesk
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.erasing import ErasedRecord, an_erased_record
from fakes.small_entries import an_intent


@pytest.fixture(params=["sqlite", "postgres"])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ErasedRecord]:
    with an_erased_record(request.param, tmp_path) as made:
        yield made


def test_holds_are_placed_listed_and_released(record: ErasedRecord) -> None:
    first = record.desk.place(Selector(run="r1"), "a case", "eve")
    second = record.desk.place(Selector(), "another", "bob")
    assert [one.id for one in record.desk.holds()] == [first.id, second.id]
    assert record.desk.release("nothing", "x", "eve") is None
    assert record.desk.release("e", "two begin so", "eve") is None
    assert record.desk.release(first.id[:-1], "over", "eve") == first
    assert [one.id for one in record.desk.holds()] == [second.id]
    assert record.failures() == []


def test_counting_erases_nothing_and_erasing_says_who_and_why(record: ErasedRecord) -> None:
    record.call("c1", 1)
    record.call("c2", 1, principal={"id": "eve", "kind": "jwt"})
    record.write(an_intent("c3", record.clock.now()))
    counted = record.desk.count(Selector(principal="ada"), "calls")
    assert counted.told() == {"entries": 2, "calls": 1, "held": 0, "open": 1}
    assert record.left()["c1"] == [(True, True)] * 2
    assert record.desk.erase(Selector(principal="ada"), "calls", "asked", "bob") == counted
    assert record.left() == {
        "c1": [(False, False)] * 2,
        "c2": [(True, True)] * 2,
        "c3": [(True, True)],
    }
    said = msgspec.json.decode(record.appended[-1].body)
    assert (said["author"], said["reason"], said["what"]) == ("bob", "asked", "body")
    assert said["covers"] == {"principal": "ada"}
    assert record.failures() == []


def test_payloads_alone_can_be_erased(record: ErasedRecord) -> None:
    record.call("c1", 1)
    assert record.desk.erase(Selector(call="c1"), "payloads", "asked", "bob").entries == 2
    assert record.left() == {"c1": [(True, False)] * 2}
    assert record.records().entries("c1")[0]["erased"] is True
    assert record.failures() == []


def test_a_record_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    desk = ErasingDesk(StoreSettings(path=tmp_path / "r.db"), FakeClock(), lambda _: None)
    with pytest.raises(StoreError):
        desk.holds()
    with pytest.raises(StoreError):
        desk.count(Selector(), "calls")
    with pytest.raises(StoreError):
        desk.erase(Selector(), "calls", "x", "y")
    with pytest.raises(StoreError):
        desk.place(Selector(), "x", "y")
