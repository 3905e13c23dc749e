import pytest

from callgate.audit.balance import Balance
from callgate.audit.findings import CHECKPOINT_EDITED, FORK, LOG_CUT, RECORDS_CHANGED, UNKNOWN_KEY
from callgate.audit.judging import Judge, Judged, Keys, Statement
from callgate.audit.keys import SigningKey
from callgate.audit.walking import Walk
from fakes.record import KEY, ORIGIN, FakeRecord, a_record

NEXT = SigningKey(ORIGIN, bytes(range(1, 33)))


def judged(record: FakeRecord, keys: Keys, *notes: tuple[int, str]) -> Judged:
    sizes = [size for size, _ in notes]
    walked = Walk(record, 1, Balance(), lambda *_: None).run(sizes, lambda _: None)
    said = [Statement(size=size, note=note, source=f"statement {size}") for size, note in notes]
    return Judge(ORIGIN, walked, keys, 0).judged(said)


def keys(*given: SigningKey) -> Keys:
    return Keys([key.verifier for key in given], [])


def test_the_largest_size_whose_root_is_signed_is_covered() -> None:
    record = a_record()
    notes = [(size, record.notes[1, size]) for size in (620, 120, 560)]

    found = judged(record, keys(KEY), *notes)
    assert (found.covered, found.checkpoint, found.failures) == (620, record.notes[1, 620], ())


def test_nothing_is_covered_without_a_key() -> None:
    record = a_record()

    found = judged(record, keys(), (120, record.notes[1, 120]))
    assert found.covered == 0
    assert [one.code for one in found.failures] == [UNKNOWN_KEY]


@pytest.mark.parametrize(
    ("false", "code", "seq", "last"),
    [(100, FORK, None, None), (600, RECORDS_CHANGED, 560, 599), (700, LOG_CUT, 634, None)],
)
def test_a_signed_root_that_is_not_that_of_the_records_is_a_failure(
    false: int, code: str, seq: int | None, last: int | None
) -> None:
    record = a_record()
    note = record.note(1, false, b"\1" * 32)

    found = judged(record, keys(KEY), (560, record.notes[1, 560]), (false, note))
    (failure,) = found.failures
    assert (failure.code, failure.seq, failure.last) == (code, seq, last)
    assert f"statement {false}" in failure.reason
    assert found.covered == 560


def test_edited_statements_are_told_up_to_a_bound() -> None:
    record = a_record()
    notes = [(size, record.notes[1, 560]) for size in range(100)]

    found = judged(record, keys(KEY), *notes)
    assert {one.code for one in found.failures} == {CHECKPOINT_EDITED}
    assert len(found.failures) == 10


def test_keys_are_learned_once() -> None:
    known = keys(KEY)

    assert known.learn(NEXT.verifier, [KEY.verifier])
    assert not known.learn(NEXT.verifier, [KEY.verifier])
    assert known.known() == {KEY.verifier, NEXT.verifier}
    assert known.former == set()


def test_a_former_key_counts_for_what_a_later_one_covers() -> None:
    record = a_record()
    known = keys(NEXT)
    known.learn(NEXT.verifier, [KEY.verifier])
    old = (120, record.notes[1, 120])
    record.keys = (NEXT,)

    assert judged(record, known, old, (634, record.checkpoint(1))).failures == ()
    assert [one.code for one in judged(record, known, old).failures] == [UNKNOWN_KEY]
