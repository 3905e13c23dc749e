"""Payloads of entries on their way: kept until they are known to be written, put again meanwhile."""

from __future__ import annotations

from callgate.storage.blobs.doubting import AGAIN_SECONDS, SETTLED_SECONDS, Doubts


def some(*contents: bytes, most_bytes: int = 100) -> Doubts:
    doubts = Doubts(most_bytes)
    for content in contents:
        doubts.add(content, 0.0)
    return doubts


def test_what_is_written_soon_is_done_with() -> None:
    doubts = some(b"a", b"b", b"c")

    doubts.written(2, 1.0)
    assert doubts
    assert doubts.due(1.0) is None
    doubts.written(doubts.handed, 1.0)
    assert not doubts


def test_what_is_written_late_is_put_once_more() -> None:
    doubts = some(b"a")

    doubts.written(1, AGAIN_SECONDS + 0.1)
    (due,) = [doubts.due(AGAIN_SECONDS + 0.1)]
    assert due is not None and due.content == b"a"
    doubts.put(due, AGAIN_SECONDS + 0.2)
    assert not doubts


def test_what_is_not_known_to_be_written_is_put_again_and_again_for_a_while() -> None:
    doubts, now, times = some(b"a"), 0.0, 0

    while doubts:
        now += 1.0
        due = doubts.due(now)
        if due is not None:
            times += 1
            doubts.put(due, now)
    assert (now, times) == (SETTLED_SECONDS, SETTLED_SECONDS / AGAIN_SECONDS)


def test_after_a_fault_everything_is_put_again_and_the_while_begins_anew() -> None:
    doubts = some(b"a", b"b")

    doubts.failed(50.0)
    for _ in range(2):
        due = doubts.due(50.0)
        assert due is not None
        doubts.put(due, 50.0)
    assert doubts.due(50.0) is None
    assert doubts.due(50.0 + AGAIN_SECONDS) is not None


def test_of_too_many_bytes_the_oldest_are_not_kept() -> None:
    doubts = some(b"a" * 60, b"b" * 60, b"c" * 30)

    doubts.failed(1.0)
    due = doubts.due(1.0)
    assert due is not None and due.content == b"b" * 60
    assert not some(b"a" * 101)
