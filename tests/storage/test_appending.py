from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from callgate.audit.tiles import WIDTH
from callgate.ports import Clock, StoreError
from callgate.storage.appending import GROUP, Appender
from callgate.storage.database import Holds, LostError, Row
from callgate.storage.databases import database_of
from callgate.storage.liveness import FileLife
from callgate.storage.settings import StoreSettings
from callgate.storage.sqlite import SqliteDatabase
from fakes.clock import FakeClock
from fakes.logs import ids_in, kept_logs, sizes
from fakes.store import an_intent, an_outcome


def an_appender(path: Path, clock: Clock | None = None, **more: object) -> Appender:
    settings = StoreSettings.model_validate({"path": path, "busy_timeout_seconds": 0.05, **more})
    appender = Appender(settings, database_of(settings), clock or FakeClock())
    appender.open()
    return appender


def test_group_is_written_in_order(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    appender.write([an_intent(f"c{number}") for number in range(GROUP)])
    appender.write([an_outcome("c0")])
    assert ids_in(path) == [*(f"c{number}" for number in range(GROUP)), "c0"]
    appender.close()


def test_two_writers_at_a_time_have_a_log_each(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    one, other = an_appender(path), an_appender(path)
    for number in range(5):
        one.write([an_intent(f"one{number}"), an_intent(f"two{number}")])
        other.write([an_intent(f"other{number}")])
    logs = kept_logs(StoreSettings(path=path))
    assert [len(logs[number]) for number in (1, 2)] == [10, 5]
    one.close()
    other.close()


def test_log_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    for number in range(3):
        appender = an_appender(path)
        appender.write([an_outcome(f"c{number}")])
        appender.close()
    logs = kept_logs(StoreSettings(path=path))
    assert logs[1] == ["c0", "c1", "c2"]


def test_closing_leaves_nothing_but_the_file_and_its_key(tmp_path: Path) -> None:
    appender = an_appender(tmp_path / "r.db")
    appender.write([an_intent("c1"), an_outcome("c1")])
    appender.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["r.db", "r.db-key"]


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
    logs = kept_logs(StoreSettings(path=path))
    # Not in log 1: what was in it after the copy was made may have been shown to others.
    assert [logs[number] for number in (1, 2)] == [["before"], ["after"]]
    assert appender.damage == ("log 1 is not what this gateway wrote",)
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
    assert ids_in(path) == ["after"]
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
    assert ids_in(path) == ["before", "after", "refused"]
    appender.close()


def test_group_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    with pytest.raises(StoreError):
        appender.write([an_intent("good"), replace(an_intent("bad"), principal="\ud800")])
    appender.reopen()
    assert ids_in(path) == []
    appender.close()


def test_recovery_has_little_to_read_after_many_calls(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    for number in range(0, WIDTH, 64):
        ids = [f"c{n}" for n in range(number, number + 64)]
        appender.write([*map(an_intent, ids), *map(an_outcome, ids)])
    appender.write([an_intent("open")])
    for number in range(0, WIDTH, 64):
        appender.write([an_outcome(f"d{n}") for n in range(number, number + 64)])
    with closing(sqlite3.connect(path)) as connection:
        (settled_seq,) = connection.execute("SELECT settled_seq FROM logs").fetchone()
    assert settled_seq == 2 * WIDTH  # all before the call that is still open
    appender.close()


def test_what_is_new_is_signed_and_joined_at_most_so_often(tmp_path: Path) -> None:
    path, clock = tmp_path / "r.db", FakeClock()
    appender = an_appender(path, clock, checkpoint_seconds=2)
    appender.write([an_outcome("c1")])
    assert appender.due_seconds() == 0
    appender.tend()
    assert sizes(path) == [(0, 1), (1, 1)]
    assert appender.due_seconds() is None
    appender.write([an_outcome("c2")])
    assert appender.due_seconds() == 2
    clock.advance(1.5)
    assert appender.due_seconds() == 0.5
    appender.tend()
    assert sizes(path) == [(0, 1), (1, 1)]
    clock.advance(0.5)
    appender.tend()
    assert sizes(path) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    appender.close()
    assert ids_in(path) == ["c1", "c2"]


def test_closing_signs_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    appender.write([an_outcome(f"c{number}") for number in range(7)])
    appender.close()
    assert sizes(path) == [(0, 1), (1, 7)]


def test_start_after_a_death_signs_what_was_left_unsigned(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    dying = an_appender(path)
    dying.write([an_outcome("c1")])
    lock_of(path).unlink()  # as if its process were gone
    an_appender(path).close()
    assert sizes(path) == [(0, 1), (1, 1)]


def test_writer_that_is_not_let_join_tries_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "r.db", FakeClock()
    appender = an_appender(path, clock)
    other = FileLife.claim(path, "join")
    assert other is not None
    appender.write([an_outcome("c1")])
    appender.tend()
    assert sizes(path) == [(1, 1)]
    other.end()
    clock.advance(appender.due_seconds() or 0)
    appender.tend()
    assert sizes(path) == [(0, 1), (1, 1)]
    appender.close()


def test_group_that_was_durable_after_all_is_not_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    settings = StoreSettings(path=path)
    database = Forgetful(settings)
    appender = Appender(settings, database, FakeClock())
    appender.open()
    appender.write([an_intent("c0")])
    group = [an_outcome("c0"), an_intent("c1")]
    database.loses_answer = True
    with pytest.raises(StoreError, match="the answer was lost"):
        appender.write(group)
    appender.reopen()
    appender.write([*group, an_outcome("c2")])
    appender.write([an_outcome("c1")])
    assert ids_in(path) == ["c0", "c0", "c1", "c2", "c1"]
    appender.close()
    assert sizes(path)[-1] == (1, 5)


def test_dead_connection_is_made_anew_without_refusing_anything(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    settings = StoreSettings(path=path)
    database = Forgetful(settings)
    appender = Appender(settings, database, FakeClock())
    appender.open()
    database.is_dead = True
    appender.write([an_intent("c0")])
    assert ids_in(path) == ["c0"]
    appender.close()


def test_beginning_that_was_not_durable_is_made_again_in_the_same_log(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    an_appender(path).write([an_intent("c0")])
    lock_of(path).unlink()  # as if its process were gone
    settings = StoreSettings(path=path)
    database = Forgetful(settings)
    database.cannot_commit = True
    appender = Appender(settings, database, FakeClock())
    with pytest.raises(StoreError, match="disk is full"):
        appender.open()
    appender.reopen()
    assert appender.damage == ()
    assert kept_logs(settings)[1] == ["c0", "c0"]  # it was open, and is ended once
    appender.close()
    assert list(tmp_path.glob("r.db-writer-*")) == []


def test_position_that_is_taken_is_a_fault_and_another_log_begins(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    appender = an_appender(path)
    appender.write([an_intent("c0")])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO records SELECT position + 1, 'event', 'forged', at, run, principal, agent,"
            " target, tool, code, ran, is_delivered, hash, body, payload FROM records"
        )
    with pytest.raises(StoreError, match="somebody else has written"):
        appender.write([an_outcome("c0")])
    appender.reopen()
    appender.write([an_outcome("c0")])
    with closing(sqlite3.connect(path)) as connection:
        places = list(connection.execute("SELECT position >> 40, call_id FROM records ORDER BY 1"))
    assert places == [(1, "c0"), (1, "forged"), (2, "c0")]
    assert appender.damage
    appender.close()


@pytest.mark.parametrize("what", ["tiles", "checkpoints"])
def test_fault_in_the_middle_leaves_nothing_half_written(tmp_path: Path, what: str) -> None:
    path, clock = tmp_path / "r.db", FakeClock()
    appender = an_appender(path, clock)
    appender.write([an_outcome(f"c{number}") for number in range(100)])
    appender.tend()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            f"CREATE TRIGGER broken BEFORE INSERT ON {what} BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    group = [an_outcome(f"d{number}") for number in range(WIDTH - 100)]
    clock.advance(1)
    if what == "tiles":
        with pytest.raises(StoreError, match="no"):
            appender.write(group)
    else:
        appender.write(group)
        with pytest.raises(StoreError, match="no"):
            appender.tend()
    before = 100 if what == "tiles" else WIDTH
    assert len(ids_in(path)) == before
    assert sizes(path) == [(0, 1), (1, 100)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER broken")
    appender.reopen()
    if what == "tiles":
        appender.write(group)
    appender.tend()
    assert len(ids_in(path)) == WIDTH
    assert sizes(path) == [(0, 1), (0, 2), (1, 100), (1, WIDTH)]
    appender.close()


def lock_of(path: Path) -> Path:
    (found,) = path.parent.glob(f"{path.name}-writer-*")
    return found


class Forgetful(SqliteDatabase):
    """Loses connections, before something is sent or after it was written."""

    loses_answer = False
    is_dead = False
    cannot_commit = False

    @contextmanager
    def alone(self, connection: Connection) -> Iterator[None]:
        with super().alone(connection):
            yield
            if self.cannot_commit:
                self.cannot_commit = False
                raise sqlite3.OperationalError("database or disk is full")

    def before_group(self, connection: Connection, holds: Holds) -> None:
        if self.is_dead:
            self.is_dead = False
            raise LostError("the connection was closed")
        super().before_group(connection, holds)

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        super().insert(connection, rows)
        if self.loses_answer:
            self.loses_answer = False
            raise sqlite3.OperationalError("the answer was lost")
