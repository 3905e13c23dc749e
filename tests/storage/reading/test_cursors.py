from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.place import MAX_LOG, MAX_SEQ
from callgate.ports import CursorError
from callgate.storage.reading.cursors import (
    MOST_CHARACTERS,
    Standing,
    of_positions,
    positions,
    read,
    written,
)

LOGS = st.integers(1, MAX_LOG)
SEQS = st.integers(1, MAX_SEQ)


@given(st.dictionaries(LOGS, st.tuples(SEQS, SEQS).map(sorted)))
def test_where_a_walk_stands_comes_back(given_so: dict[int, list[int]]) -> None:
    standings = {log: Standing(seen=seen, end=end) for log, (seen, end) in given_so.items()}
    cursor = written(standings)
    assert read(cursor) == standings
    assert all(letter.isalnum() or letter in "-_" for letter in cursor)


@given(st.dictionaries(LOGS, SEQS))
def test_positions_come_back(given_so: dict[int, int]) -> None:
    assert positions(of_positions(given_so)) == given_so


def test_logs_without_entries_need_no_place() -> None:
    assert read(written({1: Standing(seen=0, end=0)})) == {}
    assert positions(of_positions({1: 0})) == {}


@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.urlsafe_b64encode(raw).decode())))
def test_anything_else_is_refused_as_no_cursor(text: str) -> None:
    for reader in (read, positions):
        try:
            reader(text)
        except CursorError:
            continue
        # By chance it is one: then it says nothing impossible.


@pytest.mark.parametrize(
    "standing",
    [(1, 6, 5), (0, 1, 1), (1, -1, 5), (MAX_LOG + 1, 1, 1), (1, 1, MAX_SEQ + 1)],
)
def test_impossible_places_are_refused(standing: tuple[int, int, int]) -> None:
    log, seen, end = standing
    with pytest.raises(CursorError):
        read(written({log: Standing(seen=seen, end=end)}))


def test_endless_cursor_is_refused_unread() -> None:
    with pytest.raises(CursorError):
        read("A" * (MOST_CHARACTERS + 1))
