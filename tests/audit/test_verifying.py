"""The tamper matrix on a record in memory; the same cases are run on real stores elsewhere."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from callgate.audit.findings import (
    ANOTHER_STORE,
    CALL_TWICE,
    CHECKPOINT_EDITED,
    DELETED_UNSAID,
    FORK,
    LOG_CUT,
    NOT_WITNESSED,
    OUTCOME_WITHOUT_INTENT,
    PAYLOAD_EDITED,
    RECORD_EDITED,
    RECORD_MISPLACED,
    RECORDS_CHANGED,
    UNCOVERED,
    UNKNOWN_KEY,
    Verification,
)
from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.audit.log_reader import KeptCheckpoint
from callgate.audit.notes import Note, witnessed
from callgate.audit.place import position
from callgate.audit.rotation import key_changed
from callgate.audit.verifying import Known, Trust, verify
from fakes.record import KEY, ORIGIN, FakeEditor, FakeRecord, a_record, with_deletions
from fakes.small_entries import AT, an_intent, an_outcome
from fakes.tampering import (
    DEEDS,
    OF_RECORDS,
    PLACES,
    Change,
    Deed,
    Place,
    calls,
    covered,
    rebuild_tiles,
    row_of,
    signed,
)

TRUST = Trust(keys=(KEY.verifier,))


def found(record: FakeRecord, trust: Trust = TRUST) -> Verification:
    return verify(record, trust)


def test_a_record_that_nobody_touched_holds() -> None:
    record = a_record()
    result = found(record)

    assert result.failures == ()
    assert result.holds
    assert result.records == len(record.rows)
    assert result.uncovered == 4
    assert [(one.log, one.size, one.covered) for one in result.logs] == [
        (0, 6, 6),
        (1, 634, 630),
        (2, 24, 24),
    ]
    assert result.logs[1].checkpoint == record.notes[1, 630]
    assert result.keys == (KEY.verifier.text,)


@pytest.mark.parametrize("place", PLACES, ids=[place.name for place in PLACES])
@pytest.mark.parametrize("change", OF_RECORDS, ids=[change.name for change in OF_RECORDS])
def test_a_record_that_was_tampered_with_is_found_and_named(change: Change, place: Place) -> None:
    record = a_record()
    editor = FakeEditor(record)
    log, seq = place.of(editor)
    change.do(editor, log, seq)

    result = found(record)
    assert not result.holds
    first = result.failures[0]
    assert first.code in change.codes, result.failures
    assert first.log == log
    assert first.seq is not None
    if change.is_exact:
        assert (first.seq, first.last) == (seq, None)
    elif first.code == RECORDS_CHANGED and first.last is not None:
        near = {seq, seq + 1, seq - 1}
        assert near & set(range(first.seq, first.last + 1))
        if first.seq == first.last and editor.size(log) >= 256:
            assert first.seq in near  # the tiles have told which


@pytest.mark.parametrize("deed", DEEDS, ids=[deed.name for deed in DEEDS])
def test_what_was_done_to_a_store_is_found(deed: Deed) -> None:
    record = a_record()
    editor = FakeEditor(record)
    last = covered(editor, deed.log) if deed.log is not None else 0
    deed.do(editor)

    result = found(record)
    assert not result.holds
    first = result.failures[0]
    assert first.code in deed.codes, result.failures
    assert first.log == deed.log
    if deed.seq is not None:
        assert first.seq == (deed.seq if deed.seq >= 0 else last + deed.seq)


# What somebody with the key can do is found where something else contradicts it.


def forged(record: FakeRecord, log: int, size: int) -> str:
    return record.note(log, size, b"\1" * 32)


def test_two_signed_logs_are_a_fork() -> None:
    record = a_record()
    record.notes[1, 300] = forged(record, 1, 300)

    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (FORK, 1, None)
    assert "size 300" in failure.reason


def test_a_log_that_is_not_what_the_log_of_logs_has_signed_is_found_though_it_is_signed() -> None:
    record = a_record()
    editor = FakeEditor(record)
    for seq in range(500, 634):
        editor.put(1, seq, row_of(an_outcome(f"c{seq:027}z", ran="no")))
    rebuild_tiles(editor, 1)
    leaves = [editor.row(1, seq)["hash"] for seq in range(634)]
    for size in editor.sizes(1):
        editor.put_note(1, size, signed(record.origin, 1, leaves[:size], KEY))

    first = found(record).failures[0]
    assert (first.code, first.log) == (FORK, 1)
    assert first.reason.startswith("entry 0/1, which has log 1 at size 560")


def test_a_signed_size_beyond_the_log_is_a_cut() -> None:
    record = a_record()
    record.notes[2, 100] = forged(record, 2, 100)

    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (LOG_CUT, 2, 24)


def test_what_somebody_noted_elsewhere_shows_that_all_was_replaced() -> None:
    known = Known(name="noted.txt", note=a_record().notes[0, 6])
    other = FakeRecord()
    other.append(1, *calls(0, 60))
    other.join(1)
    assert found(other).holds

    result = found(other, Trust(keys=(KEY.verifier,), known=(known,)))
    (failure,) = result.failures
    assert (failure.code, failure.log, failure.seq) == (LOG_CUT, 0, 1)
    assert "noted.txt" in failure.reason

    other.join(1)
    while other.edges[0].size < 9:
        other.join(1)
    (failure,) = found(other, Trust(keys=(KEY.verifier,), known=(known,))).failures
    assert (failure.code, failure.log) == (FORK, 0)


def test_a_store_with_another_name_is_another_store() -> None:
    known = Known(name="noted.txt", note=a_record().notes[0, 6])
    key = SigningKey.generated("callgate.dev/other")
    other = FakeRecord("callgate.dev/other", [key])
    other.append(1, *calls(0, 3))
    other.join(1)

    first = found(other, Trust(keys=(key.verifier,), known=(known,))).failures[0]
    assert (first.code, first.log) == (ANOTHER_STORE, None)


def test_a_store_of_the_same_name_with_another_key_is_signed_by_no_key_that_counts() -> None:
    other = FakeRecord(keys=[SigningKey.generated(ORIGIN)])
    other.append(1, *calls(0, 3))
    other.join(1)

    result = found(other)
    assert {one.code for one in result.failures} == {UNKNOWN_KEY}
    assert result.uncovered == result.records


def test_a_note_of_elsewhere_that_is_none_is_said_to_be_none() -> None:
    trust = Trust(keys=(KEY.verifier,), known=(Known(name="noted.txt", note="hello"),))

    (failure,) = found(a_record(), trust).failures
    assert (failure.code, failure.log) == (CHECKPOINT_EDITED, None)


# Keys

NEXT = SigningKey(ORIGIN, bytes(range(1, 33)))


def rotated() -> FakeRecord:
    record = a_record()
    record.keys = (KEY, NEXT)
    record.append(1, key_changed(NEXT.verifier, record.keys, AT))
    record.join(1)
    record.keys = (NEXT,)
    record.append(1, *calls(400, 410))
    record.append(2, *calls(1100, 1110))
    record.join(1, 2)
    return record


@pytest.mark.parametrize("key", [KEY, NEXT], ids=["the first", "the last"])
def test_after_a_change_of_keys_it_is_enough_to_trust_one(key: SigningKey) -> None:
    result = found(rotated(), Trust(keys=(key.verifier,)))

    assert result.failures == ()
    assert result.uncovered == 0


def ended_before_the_change() -> FakeRecord:
    """Log 2 was signed by the old key only; the new one has signed the log of logs since."""
    record = a_record()
    record.append(1, key_changed(NEXT.verifier, (KEY, NEXT), AT))
    record.keys = (KEY, NEXT)
    record.join(1)
    record.keys = (NEXT,)
    record.append(1, *calls(400, 410))
    record.join(1)
    return record


@pytest.mark.parametrize("key", [KEY, NEXT], ids=["the first", "the last"])
def test_a_log_that_ended_before_the_change_is_vouched_for_by_the_log_of_logs(
    key: SigningKey,
) -> None:
    result = found(ended_before_the_change(), Trust(keys=(key.verifier,)))

    assert (result.failures, result.uncovered) == ((), 0)


def test_what_a_former_key_signs_of_such_a_log_is_not_vouched_for() -> None:
    record = ended_before_the_change()
    record.keys = (KEY,)
    record.append(2, *calls(1200, 1203))
    record.checkpoint(2)

    (failure,) = found(record, Trust(keys=(NEXT.verifier,))).failures
    assert (failure.code, failure.log) == (UNKNOWN_KEY, 2)


def test_a_key_that_no_signed_entry_names_does_not_count() -> None:
    record = rotated()
    record.notes = {at: note for at, note in record.notes.items() if at[1] not in (635, 7)}
    editor = FakeEditor(record)
    for log in (0, 1):
        assert not {635, 7} & set(editor.sizes(log))
    first_with_both = next(
        seq
        for seq in range(record.size(0))
        if '"size":635' in record.rows[position(0, seq)]["body"]
    )
    for seq in range(first_with_both, record.size(0)):
        editor.drop(0, seq)

    result = found(record)
    assert UNKNOWN_KEY in {one.code for one in result.failures}
    assert result.keys == (KEY.verifier.text,)


def test_a_former_key_signs_nothing_new() -> None:
    record = rotated()
    record.keys = (KEY,)
    record.append(2, *calls(1200, 1203))
    record.checkpoint(2)

    assert found(record).holds  # for whom the first key counts, it does
    (failure,) = found(record, Trust(keys=(NEXT.verifier,))).failures
    assert (failure.code, failure.log) == (UNKNOWN_KEY, 2)


# What was deleted


def test_what_was_deleted_as_a_signed_event_says_leaves_the_record_whole() -> None:
    assert found(with_deletions()).failures == ()


@pytest.mark.parametrize("field", ["body", "payload"])
def test_what_was_deleted_beyond_that_is_found(field: str) -> None:
    record = with_deletions()
    record.rows[position(1, 32)] |= {"payload": None, field: None}

    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (DELETED_UNSAID, 1, 32)


def test_a_hash_beside_a_deleted_body_must_be_what_was_signed() -> None:
    record = with_deletions()
    record.rows[position(1, 12)]["hash"] = bytes(32)
    assert found(record).failures[0].code == RECORDS_CHANGED
    assert found(record).failures[0].seq == 12

    record.rows[position(1, 12)]["hash"] = None
    assert found(record).failures[0].code == RECORD_EDITED


# Payloads in the blob store


def test_a_payload_that_is_kept_apart_is_held_against_its_digest() -> None:
    record = a_record()
    digest = record.move_to_blobs(1, 4)
    assert found(record).holds

    record.blobs[digest] = b"{}"
    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (PAYLOAD_EDITED, 1, 4)

    del record.blobs[digest]
    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (DELETED_UNSAID, 1, 4)


def test_payloads_that_nobody_can_see_are_counted() -> None:
    record = a_record()
    record.has_payloads = False
    record.move_to_blobs(1, 4)

    result = found(record)
    assert (result.holds, result.unseen_payloads) == (True, 1)


# Witnesses

WITNESSES = [SigningKey.generated(f"witness.example/{n}", COSIGNATURE) for n in range(3)]


def cosigned(record: FakeRecord, size: int, *witnesses: SigningKey) -> None:
    note = Note.parse(record.notes[0, size])
    lines = [witnessed(note.text, key, 1_700_000_000 + n) for n, key in enumerate(witnesses)]
    record.notes[0, size] = str(note.with_signatures(lines))


def trusting(quorum: int) -> Trust:
    keys = tuple(key.verifier for key in WITNESSES)
    return Trust(keys=(KEY.verifier,), witnesses=keys, quorum=quorum)


def test_what_enough_witnesses_have_seen_is_said_for_each_log() -> None:
    record = a_record()
    cosigned(record, 3, *WITNESSES[:2])
    cosigned(record, 4, WITNESSES[0])

    result = found(record, trusting(2))
    assert result.holds
    assert [one.witnessed for one in result.logs] == [3, 560, 24]
    assert result.witnessed_at == 1_700_000_001
    assert [one.witnessed for one in found(record, trusting(1)).logs] == [4, 620, 24]


def test_too_few_witnesses_are_a_failure() -> None:
    record = a_record()
    cosigned(record, 4, *WITNESSES[:2])

    (failure,) = found(record, trusting(3)).failures
    assert (failure.code, failure.log) == (NOT_WITNESSED, 0)


def test_one_witness_that_signs_twice_is_one() -> None:
    record = a_record()
    cosigned(record, 4, WITNESSES[0], WITNESSES[0])

    assert [one.code for one in found(record, trusting(2)).failures] == [NOT_WITNESSED]


def test_a_wrong_cosignature_of_a_known_witness_is_an_edit() -> None:
    record = a_record()
    cosigned(record, 4, WITNESSES[0])
    record.notes[0, 4] = (
        record.notes[0, 3].partition("\n\n")[0] + "\n\n" + (record.notes[0, 4].partition("\n\n")[2])
    )
    record.notes[0, 4] = record.notes[0, 4].replace("\n3\n", "\n4\n", 1)

    assert CHECKPOINT_EDITED in {one.code for one in found(record, trusting(1)).failures}


# The end that nothing covers


def test_old_records_under_no_checkpoint_are_a_failure() -> None:
    record = a_record()
    record.append(3, *calls(5000, 5002))
    record.append(1, an_outcome("c" + "9" * 28, AT + 10_000, ran="no"))
    record.checkpoint(1)

    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq, failure.last) == (UNCOVERED, 3, 0, 3)


def test_whoever_wants_everything_covered_says_so() -> None:
    trust = Trust(keys=(KEY.verifier,), uncovered_seconds=0)

    (failure,) = found(a_record(), trust).failures
    assert (failure.code, failure.log, failure.seq) == (UNCOVERED, 1, 630)


# Calls


def test_a_call_that_was_taken_for_dead_and_ended_is_a_remark() -> None:
    record = FakeRecord()
    record.append(1, an_intent("c1"))
    record.append(2, an_outcome("c1", ran="unknown", code="interrupted"))
    record.append(1, an_outcome("c1"))
    record.join(1, 2)

    result = found(record)
    assert result.holds
    assert "1 calls were taken for interrupted" in result.remarks[0]


def test_two_outcomes_are_a_failure() -> None:
    record = FakeRecord()
    record.append(1, an_intent("c1"), an_outcome("c1"), an_outcome("c1"))
    record.join(1)

    assert [one.code for one in found(record).failures][:1] == [CALL_TWICE]


def test_an_outcome_in_an_earlier_log_than_its_intent_belongs_to_it() -> None:
    record = FakeRecord()
    record.append(1, an_outcome("c1", ran="unknown", code="interrupted"))
    record.append(2, an_intent("c1"))
    record.join(1, 2)

    assert found(record).failures == ()


def test_an_outcome_that_says_it_ran_needs_an_intent() -> None:
    record = FakeRecord()
    record.append(1, an_outcome("c1", ran="no"), an_outcome("c2", ran="unknown"))
    record.join(1)

    (failure,) = found(record).failures
    assert (failure.code, failure.log, failure.seq) == (OUTCOME_WITHOUT_INTENT, 1, 1)


# Oddities of a store that anything may have been written into


@pytest.mark.parametrize("value", [None, 1, 1.5, b"\xff\xfe", "\ud800", [], "x" * 100_000])
@pytest.mark.parametrize("field", ["body", "hash", "call_id", "kind", "at", "payload"])
def test_anything_may_stand_in_a_field(field: str, value: Any) -> None:
    record = a_record()
    record.rows[position(1, 7)][field] = value

    result = found(record)
    assert result.failures[0].seq == 7


@pytest.mark.parametrize("size", ["3", 3.0, None, True, -1, 1 << 70])
def test_anything_may_stand_for_the_size_of_a_checkpoint(size: Any) -> None:
    record = a_record()
    note = record.notes[1, 120]
    plain = record.checkpoints

    def checkpoints(log: int, largest: int | None = None) -> Iterator[KeptCheckpoint]:
        yield from plain(log, largest)
        if log == 1:
            yield KeptCheckpoint(1, size, 0.0, note)

    record.checkpoints = checkpoints  # type: ignore[method-assign]  # as a tampered store would
    assert found(record).failures[0].code == CHECKPOINT_EDITED


def test_records_at_places_that_cannot_be_are_found() -> None:
    record = a_record()
    record.rows[-5] = record.rows[position(1, 7)] | {"position": -5}

    assert RECORD_MISPLACED in {one.code for one in found(record).failures}


def test_progress_is_told_of_every_record() -> None:
    record = a_record()
    told: list[int] = []
    verify(record, TRUST, told.append)

    assert sum(told) == len(record.rows)


def test_the_result_is_told_as_json() -> None:
    record = a_record()
    record.rows[position(1, 7)]["tool"] = "x"
    told = msgspec.json.decode(msgspec.json.encode(found(record).told()))

    assert told["holds"] is False
    assert told["failures"][0]["where"] == "record 1/7"
    assert told["logs"][2] == {
        "log": 2,
        "size": 24,
        "covered": 24,
        "witnessed": None,
        "checkpoint": record.notes[2, 24],
    }


def test_an_empty_store_holds() -> None:
    result = found(FakeRecord())

    assert (result.holds, result.records) == (True, 0)
