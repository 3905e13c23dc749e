from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.audit.record import indexed
from callgate.audit.tiles import WIDTH
from callgate.audit.verifying import Trust, verify
from callgate.ports import StoreError
from callgate.storage.ledger_reading import open_log
from callgate.storage.liveness import FileLife, lock_path
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys
from fakes.kept import kept
from fakes.logs import kept_logs
from fakes.old_chain import AT, an_old_body, an_old_event, write_old
from fakes.writing import write

OLD = (
    an_old_event("e1"),
    an_old_body("intent", "c1"),
    an_old_body("intent", "c2", AT + 1),
    an_old_body("outcome", "c1", AT + 2),
    an_old_body("outcome", "c2", AT + 3, tool="x" * 600, code="not_permitted", ran="no"),
)


def change(path: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(statement, values)


def columns_of(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


@pytest.fixture
def old(tmp_path: Path) -> StoreSettings:
    settings = StoreSettings(path=tmp_path / "r.db")
    write_old(settings.path, *OLD)
    return settings


def test_old_records_become_the_first_log_in_their_order(old: StoreSettings) -> None:
    write(old)
    entries = kept(old)
    assert [entry.body for entry in entries[:5]] == [msgspec.json.encode(body) for body in OLD]
    assert [indexed(entry.body) for entry in entries] == entries
    (log,) = kept_logs(old).keys() - {0}
    assert log == 1
    said = msgspec.json.decode(entries[5].body)
    assert (said["event"], said["records"], len(said["head"])) == ("chain_carried_over", 5, 64)
    assert len(entries) == 6


def test_upgraded_record_proves_itself_and_goes_on(old: StoreSettings) -> None:
    for _ in range(2):
        write(old)
    with closing(open_log(old)) as reader:
        keys = Keys(old, reader.origin).current
        found = verify(reader, Trust(keys=tuple(key.verifier for key in keys)))
    assert found.failures == ()
    assert len(kept(old)) == 6  # what was carried over is said once


def test_tables_of_the_chain_are_gone(old: StoreSettings) -> None:
    write(old)
    assert columns_of(old.path, "chain") == columns_of(old.path, "writers") == []
    assert "previous_hash" not in columns_of(old.path, "records")


def test_chain_longer_than_a_tile_has_its_tiles(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write_old(settings.path, *(an_old_event(f"e{number}") for number in range(2 * WIDTH + 88)))
    write(settings)
    with closing(open_log(settings)) as reader:
        assert [(tile.level, tile.number) for tile in reader.tiles(1)] == [(0, 0), (0, 1), (1, 0)]
        assert reader.size(1) == 2 * WIDTH + 89


def test_record_without_entries_is_upgraded_too(tmp_path: Path) -> None:
    settings = StoreSettings(path=tmp_path / "r.db")
    write_old(settings.path)
    write(settings)
    assert kept(settings) == []


def test_calls_that_the_old_gateway_left_open_are_ended(old: StoreSettings) -> None:
    other = old.path.with_name("other.db")
    write_old(other, *OLD, an_old_body("intent", "open", AT + 9))
    change(other, "UPDATE writers SET ended_at = NULL, settled_seq = 5")
    settings = StoreSettings(path=other)
    write(settings)
    assert [(entry.call_id, entry.code) for entry in kept(settings)[-1:]] == [
        ("open", "interrupted")
    ]
    assert not lock_path(other, "a" * 32).exists()


def test_old_gateway_that_still_writes_must_be_stopped_first(old: StoreSettings) -> None:
    change(old.path, "UPDATE writers SET ended_at = NULL")
    life = FileLife.claim(old.path, "a" * 32)
    assert life is not None
    with pytest.raises(StoreError, match=r"still writes to it \(process 4711\): stop it first"):
        write(old)
    life.end()
    write(old)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE records SET body = replace(body, 'refund', 'charge') WHERE seq = 3", "record 3"),
        ("UPDATE records SET previous_hash = hash WHERE seq = 2", "record 2 its previous_hash"),
        ("UPDATE records SET hash = lower(hex(randomblob(32))) WHERE seq = 4", "record 4 its hash"),
        ("UPDATE records SET tool = 'other' WHERE seq = 2", "record 2 its column tool"),
        ("UPDATE records SET is_delivered = 0 WHERE seq = 4", "record 4 its column is_delivered"),
        ("UPDATE records SET body = x'ff' WHERE seq = 2", "record 2"),
        ("UPDATE records SET body = CAST(x'ff' AS TEXT) WHERE seq = 2", "record 2"),
        ("UPDATE records SET writer = 'me' WHERE seq = 2", "record 2"),
        ("DELETE FROM records WHERE seq = 1", "record 1 is missing"),
        ("DELETE FROM records WHERE seq = 3", "record 3 is missing"),
    ],
)
def test_chain_that_does_not_hold_is_not_put_under_new_hashes(
    old: StoreSettings, statement: str, said: str
) -> None:
    change(old.path, statement)
    before = old.path.read_bytes()
    with pytest.raises(StoreError, match=f"it does not hold: at .*{said}"):
        write(old)
    assert columns_of(old.path, "records")[-1] == "body"
    assert old.path.read_bytes()[100:] == before[100:]  # but for SQLite's own header
