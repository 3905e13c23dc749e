from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection

from callgate.audit.checkpoints import open_checkpoint
from callgate.audit.keys import SigningKey
from callgate.audit.rotation import read_change, written_keys
from callgate.storage.checkpointing import Checkpoints, joined_size, newest
from callgate.storage.facts import origin_in
from callgate.storage.log import Log, LogError
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys
from callgate.storage.sqlite import SqliteDatabase
from fakes.store import an_outcome
from fakes.writing import write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """Of a record with three entries in log 1, signed and joined."""
    settings = StoreSettings(path=tmp_path / "r.db")
    write(settings, *(an_outcome(f"c{number}") for number in range(3)))
    return settings


@pytest.fixture
def connection(settings: StoreSettings) -> Iterator[Connection]:
    with closing(SqliteDatabase(settings).open_to_write(may_create=False)) as connection:
        yield connection


def checkpoints_of(settings: StoreSettings, connection: Connection) -> Checkpoints:
    origin = origin_in(connection)
    assert origin is not None
    return Checkpoints(origin, Keys(settings, origin))


def change(settings: StoreSettings, *statements: str) -> None:
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_log_that_is_what_was_signed_may_go_on(
    settings: StoreSettings, connection: Connection
) -> None:
    checkpoints = checkpoints_of(settings, connection)
    assert checkpoints.hold_against(connection, Log.restored(connection, 1)) == 3
    assert checkpoints.hold_against(connection, Log.restored(connection, 7)) == 0
    assert joined_size(connection, 1) == 3
    assert joined_size(connection, 7) == 0


def test_what_is_written_is_a_signed_note(settings: StoreSettings, connection: Connection) -> None:
    checkpoints, log = checkpoints_of(settings, connection), Log.restored(connection, 1)
    log.extend(log.rows([an_outcome("c3")]))
    checkpoints.write(connection, log, 5.0)
    size, note = newest(connection, 1) or (0, "")
    keys = [key.verifier for key in Keys(settings, checkpoints.origin).current]
    said = open_checkpoint(note, keys).checkpoint
    assert (said.origin, said.size, said.root) == (f"{checkpoints.origin}/1", size, log.root())


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["DELETE FROM records WHERE call_id = 'c2'"], "log 1 was cut: it has 2 records, 3 are"),
        (["UPDATE records SET hash = zeroblob(32) WHERE call_id = 'c1'"], "its records are not"),
        (["DELETE FROM checkpoints WHERE log = 1"], "its last checkpoints were removed"),
        (["UPDATE checkpoints SET size = 2 WHERE log = 1"], "its last checkpoints were removed"),
        (["UPDATE checkpoints SET size = 4 WHERE log = 1"], "is of something else"),
        (["UPDATE checkpoints SET note = 'nothing' WHERE log = 1"], "its last checkpoint: "),
        (["UPDATE checkpoints SET note = 7 WHERE log = 1"], "its last checkpoint: "),
        (["UPDATE checkpoints SET note = x'ff' WHERE log = 1"], "its last checkpoint: "),
        (
            ["UPDATE checkpoints SET note = replace(note, '/1' || char(10), '/2' || char(10))"],
            "signature .* does not fit",
        ),
        (
            [
                "DELETE FROM checkpoints WHERE log = 1",
                "UPDATE checkpoints SET log = 1, size = 3",
            ],
            "is of something else",
        ),
    ],
)
def test_log_that_is_not_what_was_signed_must_not_go_on(
    settings: StoreSettings, connection: Connection, statements: list[str], said: str
) -> None:
    change(settings, *statements)
    checkpoints = checkpoints_of(settings, connection)
    with pytest.raises(LogError, match=said):
        checkpoints.hold_against(connection, Log.restored(connection, 1))


def test_log_that_another_key_signed_must_not_go_on(
    settings: StoreSettings, connection: Connection
) -> None:
    origin = origin_in(connection) or ""
    settings.key_file.write_text(written_keys([SigningKey.generated(origin)]))
    checkpoints = checkpoints_of(settings, connection)
    with pytest.raises(LogError, match="signed by no key that is known"):
        checkpoints.hold_against(connection, Log.restored(connection, 1))


def test_key_that_signs_a_log_for_the_first_time_is_named_in_it_before(
    settings: StoreSettings, connection: Connection
) -> None:
    origin = origin_in(connection) or ""
    added = SigningKey.generated(origin)
    both = [*Keys(settings, origin).current, added]
    checkpoints, log = checkpoints_of(settings, connection), Log.restored(connection, 1)
    assert checkpoints.announcements(connection, log, 5.0) == []
    settings.key_file.write_text(written_keys(both))
    checkpoints.refresh()
    (entry,) = checkpoints.announcements(connection, log, 5.0)
    named = read_change(entry.body, origin)
    assert named is not None
    assert named.added == added.verifier
