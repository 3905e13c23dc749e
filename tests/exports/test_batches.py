from __future__ import annotations

import json

from msgspec.structs import replace

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import batches
from fakes.exporting import CALLS, FakeSource


def test_batches_hold_so_many_records_and_say_how_far_they_go() -> None:
    found = list(batches(FakeSource(7), CALLS, ExportCursor()))
    assert [len(batch.records) for batch in found] == [3, 3, 1]
    assert [batch.upto.positions for batch in found] == [{1: 6}, {1: 12}, {1: 14}]
    again = list(batches(FakeSource(7), CALLS, found[1].upto))
    assert [batch.said for batch in again] == [found[2].said]
    assert list(batches(FakeSource(7), CALLS, found[2].upto)) == []


def test_a_batch_of_long_lines_ends_early() -> None:
    wanted = replace(CALLS, most_bytes=1)
    assert [len(batch.records) for batch in batches(FakeSource(3), wanted, ExportCursor())] == [
        1
    ] * 3


def test_lines_are_what_is_said() -> None:
    (batch,) = batches(FakeSource(2), CALLS, ExportCursor())
    assert tuple(json.loads(line) for line in batch.lines) == batch.said


def test_a_chained_format_goes_on_from_the_hash_before() -> None:
    wanted = replace(CALLS, form="sep-3004", most=2)
    whole = [one for batch in batches(FakeSource(4), wanted, ExportCursor()) for one in batch.said]
    first = next(iter(batches(FakeSource(4), wanted, ExportCursor())))
    rest = [one for batch in batches(FakeSource(4), wanted, first.upto) for one in batch.said]
    assert whole == [*first.said, *rest]


def test_the_halves_of_a_batch_are_the_whole_of_it() -> None:
    (batch,) = batches(FakeSource(3), CALLS, ExportCursor())
    one, other = batch.halves()
    assert (*one.said, *other.said) == batch.said
    assert (*one.lines, *other.lines) == batch.lines
    assert (*one.records, *other.records) == batch.records
