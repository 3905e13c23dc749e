import asyncio
import logging

import pytest

from callgate.audit.notes import Note, Signature
from callgate.witnesses.witness import Disputed, Shown
from callgate.witnesses.witnessing import Witnessing, WitnessStatus
from fakes.witnesses import AT, WITNESS, FakeLogOfLogs, FakeWitness, is_down


def a_log(times: int = 3) -> FakeLogOfLogs:
    log = FakeLogOfLogs()
    log.grow(times)
    return log


def once(watching: Witnessing, *witnesses: FakeWitness) -> list[bool]:
    async def run() -> list[bool]:
        return [await watching.once(witness) for witness in witnesses]

    return asyncio.run(run())


def test_each_witness_is_shown_the_newest_checkpoint_once() -> None:
    log, witness = a_log(), FakeWitness()
    watching = Witnessing(log, [witness], every_seconds=10)

    assert once(watching, witness, witness) == [True, True]
    log.grow(2)
    assert once(watching, witness) == [True]
    assert witness.seen == [3, 5]
    assert watching.status == (WitnessStatus(name="w1", seen=5),)


def test_what_a_witness_signs_is_kept_with_the_checkpoint() -> None:
    log, witness = a_log(), FakeWitness(key=WITNESS)
    once(Witnessing(log, [witness], every_seconds=10), witness)

    note = Note.parse(log.record.notes[0, 3])
    assert note.signed_by([WITNESS.verifier]) == {WITNESS.verifier: AT}


def test_what_another_gateway_had_signed_is_not_asked_for_again() -> None:
    log, first, second = a_log(), FakeWitness(key=WITNESS), FakeWitness(key=WITNESS)
    once(Witnessing(log, [first], every_seconds=10), first)
    once(Witnessing(log, [second], every_seconds=10), second)

    assert (first.seen, second.seen) == ([3], [])


def test_nothing_is_shown_before_there_is_a_checkpoint() -> None:
    witness = FakeWitness()
    watching = Witnessing(FakeLogOfLogs(), [witness], every_seconds=10)

    assert once(watching, witness) == [True]
    assert witness.seen == []


def test_a_witness_that_is_down_is_behind_and_catches_up(caplog: pytest.LogCaptureFixture) -> None:
    log, witness, other = a_log(), FakeWitness("slow"), FakeWitness("well")
    watching = Witnessing(log, [witness, other], every_seconds=10)
    once(watching, witness, other)
    witness.faults = [is_down(), is_down()]
    log.grow(4)

    assert once(watching, witness, other, witness) == [False, True, False]
    assert watching.status == (
        WitnessStatus(name="slow", seen=3, behind=4, fault="it cannot be reached"),
        WitnessStatus(name="well", seen=7),
    )
    assert [record.getMessage() for record in caplog.records] == [
        "the witness slow: it cannot be reached"  # once
    ]

    caplog.set_level(logging.INFO)
    assert once(watching, witness) == [True]
    assert witness.seen == [3, 7]
    assert "answers again" in caplog.text


def test_a_contradiction_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    log, witness = a_log(), FakeWitness()
    witness.faults = [Disputed("it has seen 9 entries, the record has 3")]
    watching = Witnessing(log, [witness], every_seconds=10)
    once(watching, witness)

    assert watching.status[0].is_disputed
    assert caplog.records[0].levelno == logging.ERROR


def test_a_store_that_cannot_be_read_and_a_fault_of_ours_harm_nobody() -> None:
    log, witness = a_log(), FakeWitness()
    watching = Witnessing(log, [witness], every_seconds=10)
    log.fault = "disk gone"
    assert once(watching, witness) == [False]
    assert watching.status[0].fault == "disk gone"

    log.fault = None
    witness.faults = [ZeroDivisionError("oops")]
    assert once(watching, witness) == [False]
    assert watching.status[0].fault == "ZeroDivisionError: oops"
    assert once(watching, witness) == [True]


class HungWitness(FakeWitness):
    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        await asyncio.Event().wait()
        raise AssertionError


class TellingWitness(FakeWitness):
    def __init__(self) -> None:
        super().__init__("well")
        self.shown: asyncio.Queue[int] = asyncio.Queue()

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        self.shown.put_nowait(shown.checkpoint.size)
        return ()


def test_each_has_a_loop_of_its_own() -> None:
    async def run() -> list[int]:
        log, well = a_log(), TellingWitness()
        watching = Witnessing(log, [HungWitness("hung"), well], every_seconds=0.001)
        task = asyncio.ensure_future(watching.run())
        sizes = [await well.shown.get()]
        log.grow()
        sizes.append(await well.shown.get())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return sizes

    assert asyncio.run(run()) == [3, 4]


def test_at_the_end_each_is_shown_what_is_new_and_closed() -> None:
    log, down, well = a_log(), FakeWitness("down"), FakeWitness("well")
    down.faults = [is_down()]
    asyncio.run(Witnessing(log, [down, well], every_seconds=10).close())

    assert (well.seen, down.seen) == ([3], [])
    assert well.is_closed and down.is_closed
