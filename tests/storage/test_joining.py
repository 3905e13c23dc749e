from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from callgate.audit.joining import joined_id, read_joined
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.logs import kept_logs, sizes
from fakes.store import an_outcome
from fakes.writing import an_appender, write


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(path=tmp_path / "r.db")


def change(settings: StoreSettings, statement: str) -> None:
    with closing(sqlite3.connect(settings.path)) as connection, connection:
        connection.execute(statement)


def test_log_of_logs_has_every_checkpoint_of_every_log(settings: StoreSettings) -> None:
    clock = FakeClock()
    one, other = an_appender(settings, clock), an_appender(settings, clock)
    for number in range(3):
        for appender in (one, other):
            appender.write([an_outcome(f"c{number}")])
            clock.advance(1)
            appender.tend()
    one.close()
    other.close()
    expected = [joined_id(log, size) for size in (1, 2, 3) for log in (1, 2)]
    assert kept_logs(settings)[0] == expected
    with closing(sqlite3.connect(settings.path)) as connection:
        query = (
            "SELECT body, note FROM records, checkpoints WHERE call_id = ? AND log = 2 AND size = 3"
        )
        body, note = connection.execute(query, (joined_id(2, 3),)).fetchone()
    said = read_joined(body.encode())
    assert (said.log, said.size, said.note) == (2, 3, note)


def test_nothing_new_is_nothing_to_join(settings: StoreSettings) -> None:
    write(settings, an_outcome("c1"))
    for _ in range(3):
        write(settings)
    assert sizes(settings.path) == [(0, 1), (1, 1)]


def test_what_another_process_could_not_join_is_joined_by_the_next(settings: StoreSettings) -> None:
    write(settings, an_outcome("c1"))
    change(settings, "DELETE FROM checkpoints WHERE log = 0")
    change(settings, "DELETE FROM records WHERE kind = 'checkpoint'")
    write(settings)
    assert kept_logs(settings)[0] == [joined_id(1, 1)]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE records SET hash = zeroblob(32) WHERE kind = 'checkpoint'", "not those that were"),
        ("DELETE FROM records WHERE kind = 'checkpoint'", "log 0 was cut"),
        ("UPDATE checkpoints SET note = 'nothing' WHERE log = 0", "its last checkpoint"),
    ],
)
def test_log_of_logs_that_does_not_hold_is_not_continued_but_the_others_are(
    settings: StoreSettings, caplog: pytest.LogCaptureFixture, statement: str, said: str
) -> None:
    write(settings, an_outcome("c1"))
    change(settings, statement)
    clock = FakeClock()
    appender = an_appender(settings, clock)
    for number in range(3):
        appender.write([an_outcome(f"d{number}")])
        appender.tend()
        clock.advance(1)
    assert any(said in why for why in appender.damage)
    appender.close()
    assert caplog.text.count("the log of logs is not continued") == 1
    assert [size for log, size in sizes(settings.path) if log == 1] == [1, 2, 3, 4]
    assert [size for log, size in sizes(settings.path) if log == 0] == [1]


def test_log_of_logs_that_is_cut_under_our_hands_is_not_continued(settings: StoreSettings) -> None:
    clock = FakeClock()
    appender = an_appender(settings, clock)
    for number in range(3):
        appender.write([an_outcome(f"c{number}")])
        appender.tend()
        clock.advance(1)
    change(settings, "DELETE FROM records WHERE kind = 'checkpoint' AND position > 0")
    change(settings, "DELETE FROM checkpoints WHERE log = 0 AND size > 1")
    appender.write([an_outcome("c3")])
    appender.tend()
    assert appender.damage == ("log 0 is not what this gateway wrote",)
    appender.close()
