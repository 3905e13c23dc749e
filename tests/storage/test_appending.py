from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace

from callgate.audit.chain import verify
from callgate.ports import StoreError
from callgate.storage.appending import GROUP, SETTLE_EVERY, Appender, unstorable
from callgate.storage.reading import SqliteRecords
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.store import an_intent, an_outcome


def an_appender(path: Path, **more: object) -> Appender:
    settings = {"path": path, "busy_timeout_seconds": 0.05, **more}
    appender = Appender(StoreSettings.model_validate(settings), FakeClock())
    appender.open()
    return appender


def kept(path: Path) -> list[str]:
    records = list(SqliteRecords(path).records())
    assert verify(records).failure is None
    return [record.entry.call_id for record in records]


def test_group_is_written_in_order_and_linked(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    appender.write([an_intent(f"c{number}") for number in range(GROUP)])
    appender.write([an_outcome("c0")])
    assert kept(path) == [*(f"c{number}" for number in range(GROUP)), "c0"]
    appender.close()


def test_two_writers_in_turn_continue_one_chain(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    one, other = an_appender(path), an_appender(path)
    for number in range(5):
        one.write([an_intent(f"one{number}"), an_intent(f"two{number}")])
        other.write([an_intent(f"other{number}")])
    assert len(kept(path)) == 15
    assert {record.writer for record in SqliteRecords(path).records()} == {1, 2}
    one.close()
    other.close()


def test_chain_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for number in range(3):
        appender = an_appender(path)
        appender.write([an_outcome(f"c{number}")])
        appender.close()
    assert kept(path) == ["c0", "c1", "c2"]


def test_closing_leaves_nothing_but_the_file(tmp_path: Path) -> None:
    appender = an_appender(tmp_path / "r.db")
    appender.write([an_intent("c1"), an_outcome("c1")])
    appender.close()
    assert [file.name for file in tmp_path.iterdir()] == ["r.db"]


def test_file_that_was_deleted_is_not_written_into_nothing(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    path.unlink()
    with pytest.raises(StoreError, match="is not there any more"):
        appender.write([an_intent()])
    with pytest.raises(StoreError, match="put it back, or restart"):
        appender.reopen()
    assert not path.exists()
    appender.close()


def test_file_that_was_replaced_is_refused_and_then_continued_after_reopening(
    tmp_path: Path,
) -> None:
    path, backup = tmp_path / "r.db", tmp_path / "backup.db"
    first = an_appender(path)
    first.write([an_outcome("before")])
    first.close()
    shutil.copy(path, backup)
    appender = an_appender(path)
    appender.write([an_intent("lost")])
    backup.replace(path)
    for leftover in ("r.db-wal", "r.db-shm"):
        (tmp_path / leftover).unlink()
    with pytest.raises(StoreError, match="replaced by another file"):
        appender.write([an_intent("refused")])
    appender.reopen()
    appender.write([an_intent("after")])
    assert kept(path) == ["before", "after"]
    appender.close()


def test_lock_that_is_held_too_long_is_an_error_and_reopening_heals(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            appender.write([an_intent("refused")])
        with pytest.raises(StoreError, match="locked"):
            appender.reopen()
        other.execute("ROLLBACK")
    appender.reopen()
    appender.write([an_intent("after")])
    assert kept(path) == ["after"]
    appender.close()


@contextmanager
def no_file_larger_than(size_bytes: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_that_takes_no_more_is_an_error_and_reopening_heals(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    appender.write([an_intent("before")])
    big = an_intent("refused", arguments={"note": "x" * 100_000})
    with (
        no_file_larger_than((tmp_path / "r.db-wal").stat().st_size + 1000),
        pytest.raises(StoreError, match=r"r\.db: "),
    ):
        appender.write([big])
    appender.reopen()
    appender.write([an_intent("after"), big])
    assert kept(path) == ["before", "after", "refused"]
    appender.close()


def test_group_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    with pytest.raises(StoreError):
        appender.write([an_intent("good"), replace(an_intent("bad"), principal="\ud800")])
    appender.reopen()
    assert kept(path) == []
    appender.close()


def test_recovery_has_little_to_read_after_many_calls(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    for number in range(0, SETTLE_EVERY, 64):
        ids = [f"c{n}" for n in range(number, number + 64)]
        appender.write([*map(an_intent, ids), *map(an_outcome, ids)])
    appender.write([an_intent("open")])
    for number in range(0, SETTLE_EVERY, 64):
        appender.write([an_outcome(f"d{n}") for n in range(number, number + 64)])
    with closing(sqlite3.connect(path)) as connection:
        (settled_seq,) = connection.execute("SELECT settled_seq FROM writers").fetchone()
    assert settled_seq == 2 * SETTLE_EVERY  # all before the call that is still open
    appender.close()


@pytest.mark.parametrize(
    "entry",
    [
        replace(an_intent(), principal="\ud800"),
        replace(an_intent(), body=b"\xff"),
        replace(an_intent(), call_id=None),
        replace(an_intent(), at="soon"),
        replace(an_intent(), tool=7),
    ],
)
def test_entry_that_no_database_could_hold_is_told_apart(entry: object) -> None:
    assert unstorable(entry) is not None  # type: ignore[arg-type] # that is the point


def test_entry_of_the_gateway_is_storable() -> None:
    assert unstorable(an_intent()) is None
    assert unstorable(an_outcome(code="not_permitted")) is None
