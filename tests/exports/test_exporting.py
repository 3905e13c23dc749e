"""Each record once or more, whatever fails and whenever it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from callgate.audit.questions import ExportCursor
from callgate.exports import exporting
from callgate.exports.export import DestinationError
from callgate.exports.exporting import Exporting, Plan
from fakes.exporting import CALLS, FakeCursors, FakeDestination, FakeSource
from fakes.store import until

PLAN = Plan(name="siem", wanted=CALLS, every_seconds=0.001)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(exporting, "LONGEST_PAUSE_SECONDS", 0.002)
    monkeypatch.setattr(exporting, "ELSEWHERE_SECONDS", 0.001)


def run(export: Exporting, done: Callable[[], bool]) -> None:
    async def scenario() -> None:
        task = asyncio.ensure_future(export.run())
        await until(done)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(scenario())


def test_everything_is_sent_in_order_and_what_comes_later_too() -> None:
    source, cursors, destination = FakeSource(7), FakeCursors(), FakeDestination()
    export = Exporting(PLAN, source, cursors, destination)

    def grown() -> bool:
        if len(destination.taken) == 7 and len(source.calls) == 7:
            source.grow(2)
        return export.status.state == "waiting" and len(destination.taken) == 9

    run(export, grown)
    assert destination.numbers == list(range(9))
    assert cursors.saved["siem"].positions == {1: 18}
    assert (export.status.sent, export.status.fault) == (9, None)
    assert destination.is_closed
    assert (source.open_walks, cursors.held) == (0, set())


def test_a_destination_that_fails_is_sent_the_same_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callgate.exports")
    faults = [DestinationError("down"), DestinationError("down"), DestinationError("slow")]
    destination = FakeDestination(*faults)
    run(
        Exporting(PLAN, FakeSource(4), FakeCursors(), destination),
        lambda: len(destination.taken) == 4,
    )
    assert destination.numbers == [0, 1, 2, 3]
    said = [record.getMessage() for record in caplog.records]
    assert said == ["the export siem: down", "the export siem: slow", "the export siem goes on"]


def test_what_was_sent_and_not_noted_comes_again_after_a_restart() -> None:
    source, cursors, destination = FakeSource(5), FakeCursors(), FakeDestination()
    cursors.faults = ["disk full"]
    run(
        Exporting(PLAN, source, cursors, destination),
        lambda: cursors.saved.get("siem") == ExportCursor(positions={1: 10}),
    )
    assert destination.numbers == [0, 1, 2, 0, 1, 2, 3, 4]
    later = FakeDestination()
    source.grow()
    run(Exporting(PLAN, source, cursors, later), lambda: len(later.taken) == 1)
    assert later.numbers == [5]


def test_a_batch_that_is_too_large_goes_in_parts() -> None:
    destination = FakeDestination()
    destination.largest = 1
    run(
        Exporting(PLAN, FakeSource(4), FakeCursors(), destination),
        lambda: len(destination.taken) == 4,
    )
    assert destination.numbers == [0, 1, 2, 3]


def test_a_single_record_that_is_too_large_is_not_skipped() -> None:
    destination = FakeDestination()
    destination.largest = 0
    export = Exporting(PLAN, FakeSource(4), FakeCursors(), destination)
    run(export, lambda: len(destination.batches) > 8)
    assert destination.taken == []
    assert export.status.fault == "too much"
    assert export.status.state == "failing"


def test_two_processes_do_not_both_export() -> None:
    source, cursors = FakeSource(3), FakeCursors()
    mine, others = FakeDestination(), FakeDestination()
    with cursors.hold("siem"):
        export = Exporting(PLAN, source, cursors, others)
        run(export, lambda: export.status.state == "elsewhere")
    assert others.taken == []
    run(Exporting(PLAN, source, cursors, mine), lambda: len(mine.taken) == 3)


def test_a_record_that_cannot_be_read_is_tried_again() -> None:
    source, destination = FakeSource(2), FakeDestination()
    source.fault = "the database is gone"
    export = Exporting(PLAN, source, FakeCursors(), destination)

    def mended() -> bool:
        if export.status.fault is not None:
            source.fault = None
        return len(destination.taken) == 2

    run(export, mended)


def test_a_destination_that_breaks_its_word_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    destination = FakeDestination(RuntimeError("bug"))  # type: ignore[arg-type]
    run(
        Exporting(PLAN, FakeSource(1), FakeCursors(), destination),
        lambda: destination.numbers == [0],
    )
    assert "RuntimeError: bug" in caplog.text


def test_one_that_begins_now_leaves_out_what_was_before() -> None:
    source, cursors, destination = FakeSource(3), FakeCursors(), FakeDestination()
    plan = Plan(name="siem", wanted=CALLS, every_seconds=0.001, begins_now=True)
    export = Exporting(plan, source, cursors, destination)

    def seen() -> bool:
        if export.status.state == "waiting" and len(source.calls) == 3:
            source.grow(1)
        return len(destination.taken) == 1

    run(export, seen)
    assert destination.numbers == [3]
