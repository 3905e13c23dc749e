"""Batches, gaps and tampering; what a scan gives: tests/contracts/test_records.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.ports import CallFilter, StoreError
from callgate.storage.reading import Records, scanning
from callgate.storage.settings import StoreSettings
from fakes.store import NOW, an_intent, an_outcome
from fakes.writing import write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(one for n in range(10) for one in (an_intent(f"c{n}"), an_outcome(f"c{n}"))))
    return settings


def execute(settings: StoreSettings, statement: str) -> None:
    with closing(sqlite3.connect(settings.path, isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize(("batch", "most_bytes"), [(3, 1 << 30), (1000, 1), (1000, 4000)])
def test_batches_join_without_a_seam(
    settings: StoreSettings, monkeypatch: pytest.MonkeyPatch, batch: int, most_bytes: int
) -> None:
    monkeypatch.setattr(scanning, "BATCH", batch)
    monkeypatch.setattr(scanning, "BATCH_BYTES", most_bytes)
    seqs = [entry["record"]["seq"] for _, entry in Records(settings).scan({})]
    assert seqs == list(range(20))


def test_entry_that_is_missing_is_not_passed_over(settings: StoreSettings) -> None:
    execute(settings, "DELETE FROM records WHERE position = (1 << 40) + 7")
    with pytest.raises(StoreError, match="record 1/7 is missing"):
        list(Records(settings).scan({}))
    assert len(list(Records(settings).scan({1: 8}))) == 12


def test_entry_that_was_tampered_with_ends_the_scan_there(settings: StoreSettings) -> None:
    execute(settings, "UPDATE records SET body = '{}' WHERE position = (1 << 40) + 7")
    walk = Records(settings).scan({})
    for _ in range(7):
        next(walk)
    with pytest.raises(StoreError, match="record 1/7 was tampered with"):
        next(walk)


def test_erased_entries_are_told_as_what_is_left_of_them(settings: StoreSettings) -> None:
    execute(
        settings, "UPDATE records SET body = NULL, payload = NULL WHERE position < (1 << 40) + 2"
    )
    entries = [entry for _, entry in Records(settings).scan({})]
    assert [entry.get("erased") for entry in entries[:3]] == [True, True, None]
    first = next(call for _, call in Records(settings).scan_calls({}))
    assert (first["call"], first["erased"], first["code"]) == ("c0", True, "ok")
    (last,) = Records(settings).calls(CallFilter(limit=100)).calls[-1:]
    assert (last["call"], last["erased"]) == ("c0", True)


def test_intents_beyond_what_is_kept_in_memory_are_looked_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "MOST_OPEN", 1)
    settings = StoreSettings(path=tmp_path / "o.db")
    write(settings, *(an_intent(n) for n in "abc"), *(an_outcome(n, NOW + 1) for n in "abc"))
    calls = [call for _, call in Records(settings).scan_calls({})]
    assert [(call["call"], call["arguments"]["amount"]) for call in calls] == [
        ("a", 5),
        ("b", 5),
        ("c", 5),
    ]


def test_entries_are_chosen_by_what_they_say_themselves(settings: StoreSettings) -> None:
    kinds = {entry["kind"] for _, entry in Records(settings).scan({}, CallFilter(code="ok"))}
    assert kinds == {"outcome"}
    both = [entry["kind"] for _, entry in Records(settings).scan({}, CallFilter(principal="ada"))]
    assert len(both) == 20
