"""What is due is found from where it was left off, and nothing is passed that will be due."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.audit.place import place
from callgate.audit.retaining import Rule
from callgate.audit.selecting import Selector
from callgate.storage.databases import database_of
from callgate.storage.retention import planning
from callgate.storage.retention.planning import Found, Planner
from fakes.erasing import DAY, ErasedRecord, an_erased_record
from fakes.small_entries import an_intent

RULE = Rule(kept="payloads", seconds=30 * DAY)


@pytest.fixture
def record(tmp_path: Path) -> Iterator[ErasedRecord]:
    with an_erased_record("sqlite", tmp_path) as made:
        yield made


def due(record: ErasedRecord, *rules: Rule, begin: dict[int, int] | None = None) -> list[Found]:
    with database_of(record.settings).open_to_read().connect() as connection:
        planner = Planner(connection, (), lambda _: False)
        number = len(rules) - 1
        return list(planner.due(rules, number, begin or {}, record.clock.now()))


@pytest.mark.parametrize("chunk", [2, 3])
def test_what_is_due_behind_a_clock_that_went_back_is_found_and_nothing_is_passed_for_it(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(planning, "CHUNK", chunk)
    record.call("c1", 50)
    record.call("c2", 10)
    record.call("c3", 50)  # a clock that went back
    found = due(record, RULE)
    assert {one.next_seq for one in found} == {2}
    assert [place(at)[1] for at in found_payloads(found)] == [0, 1, 4, 5]


def test_behind_many_that_are_young_nothing_is_looked_for(
    record: ErasedRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "CHUNK", 2)
    monkeypatch.setattr(planning, "YOUNG_CHUNKS", 1)
    for number, days in enumerate((50, 10, 10, 50)):
        record.call(f"c{number}", days)
    assert [place(at)[1] for at in found_payloads(due(record, RULE))] == [0, 1]


def found_payloads(found: list[Found]) -> list[int]:
    return [at for one in found for at in one.payload]


def test_what_was_settled_is_not_looked_at_again(record: ErasedRecord) -> None:
    record.call("c1", 50)
    record.call("c2", 50)
    (found,) = due(record, RULE, begin={1: 2})
    assert [place(at)[1] for at in found.payload] == [2, 3]


def test_an_open_call_is_not_passed_while_its_entry_is_needed(record: ErasedRecord) -> None:
    record.write(an_intent("c1", record.clock.now() - 50 * DAY))
    record.call("c2", 50)
    (found,) = due(record, Rule(kept="calls", seconds=DAY))
    assert (set(found.open), found.next_seq) == ({"c1"}, 0)
    assert [place(at)[1] for at in found.body] == [1, 2]


def test_what_another_rule_keeps_is_passed(record: ErasedRecord) -> None:
    record.call("c1", 50)
    first = Rule(kept="payloads", seconds=90 * DAY, selector=Selector(target="shop"))
    (found,) = due(record, first, RULE)
    assert (found.payload, found.next_seq) == ((), 2)
