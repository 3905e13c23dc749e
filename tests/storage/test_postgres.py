"""PostgreSQL as a Database; tests/contracts asks what every one of them promises."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from sqlalchemy import text

from callgate.ports import StoreError
from callgate.storage.database import Holds, LostError
from callgate.storage.postgres import MAX_BYTES, PostgresDatabase
from callgate.storage.postgres_connection import driver
from callgate.storage.settings import StoreSettings
from fakes.cut_wire import CutWire
from fakes.postgres import (
    a_database,
    ask,
    port_of,
    positions,
    rows,
    sessions,
    terminate,
    through,
)


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        PostgresDatabase(StoreSettings(url=made)).open_to_write(may_create=True).close()
        yield made


def a_postgres(url: str, **more: object) -> PostgresDatabase:
    return PostgresDatabase(StoreSettings.model_validate({"url": url, **more}))


def test_its_place_is_named_without_secrets(url: str) -> None:
    database = a_postgres("postgresql://ada:secret@127.0.0.1:1/record?sslmode=disable")

    assert database.place == "postgresql://127.0.0.1:1/record"
    for opening in (database.open_to_read, lambda: database.open_to_write(may_create=True)):
        with pytest.raises(StoreError, match="cannot be") as raised:
            opening()
        assert "secret" not in str(raised.value)


def test_a_lost_connection_is_told_from_a_fault_before_anything_is_sent(url: str) -> None:
    database = a_postgres(url)
    connection = database.open_to_write(may_create=False)
    database.before_group(connection, "intents")
    database.insert(connection, rows(0, 1))
    terminate(url)

    with pytest.raises(LostError):
        database.before_group(connection, "intents")
    connection.close()
    connection = database.open_to_write(may_create=False)
    database.before_group(connection, "intents")
    database.insert(connection, rows(1, 1))
    connection.close()

    assert positions(url) == [0, 1]


@pytest.mark.parametrize(
    ("synchronous", "modes"), [("full", ["on", "on", "on"]), ("normal", ["off", "on", "off"])]
)
def test_what_is_signed_is_on_the_disk_whatever_the_settings_say(
    url: str, synchronous: str, modes: list[str]
) -> None:
    database = a_postgres(url, synchronous=synchronous)
    connection = database.open_to_write(may_create=False)
    found: list[str] = []
    groups: tuple[Holds, ...] = ("intents", "checkpoint", "outcomes")
    for holds in groups:
        database.before_group(connection, holds)
        found.append(connection.execute(text("SHOW synchronous_commit")).scalar_one())
        connection.commit()
    connection.close()

    assert found == modes


def test_a_connection_lost_in_the_middle_is_an_error(url: str) -> None:
    database = a_postgres(url)
    connection = database.open_to_write(may_create=False)
    terminate(url)

    with pytest.raises(database.errors):
        database.insert(connection, rows(0, 1))
    with pytest.raises((StoreError, *database.errors)), database.transaction(connection):
        database.insert(connection, rows(0, 1))
    connection.close()

    assert positions(url) == []


def test_what_was_committed_is_there_though_the_word_of_it_was_lost(url: str) -> None:
    with CutWire(port_of(url)) as wire:
        database = a_postgres(through(url, wire.port))
        connection = database.open_to_write(may_create=False)
        database.insert(connection, rows(0, 2))
        wire.lose_the_next_answer()
        with pytest.raises(database.errors):
            database.insert(connection, rows(2, 2))
        connection.close()
        database.open_to_write(may_create=False).close()  # when the session that was lost is over

    assert positions(url) == [0, 1, 2, 3]


def test_a_session_that_hangs_on_in_the_server_does_not_keep_its_lock_from_its_owner(
    url: str,
) -> None:
    with CutWire(port_of(url)) as wire:
        database = a_postgres(through(url, wire.port))
        connection = database.open_to_write(may_create=False)
        assert database.claim(connection, "log") is not None
        wire.cut()
        with pytest.raises(LostError):
            database.before_group(connection, "intents")
        connection.close()
        assert len(sessions(url)) == 1

        connection = database.open_to_write(may_create=False)

        assert database.claim(connection, "log") is not None
        assert sessions(url) == [driver(connection).session[0]]
        connection.close()


def test_a_second_connection_of_a_database_leaves_the_first_alone(url: str) -> None:
    database = a_postgres(url)
    one = database.open_to_write(may_create=False)
    other = database.open_to_write(may_create=False)

    database.before_group(one, "intents")
    one.close()
    other.close()


def test_writers_do_not_wait_for_each_other(url: str) -> None:
    one, other = a_postgres(url), a_postgres(url)
    first, second = one.open_to_write(may_create=False), other.open_to_write(may_create=False)

    with one.transaction(first):
        one.insert(first, rows(0, 2))
        with other.transaction(second):
            other.insert(second, rows(1 << 40, 40))
    first.close()
    second.close()

    assert positions(url) == [0, 1, *range(1 << 40, (1 << 40) + 40)]


def test_one_process_at_a_time_claims_logs(url: str) -> None:
    one, other = a_postgres(url), a_postgres(url, busy_timeout_seconds=0.05)
    first, second = one.open_to_write(may_create=False), other.open_to_write(may_create=False)
    with one.alone(first), pytest.raises(other.errors) as raised, other.alone(second):
        pass
    assert "busy_timeout_seconds" in other.said(raised.value)

    order: list[str] = []
    with other.alone(second):
        waiting = threading.Thread(target=lambda: _append_alone(one, first, order))
        waiting.start()
        order.append("second")
    waiting.join()
    first.close()
    second.close()

    assert order == ["second", "first"]


def _append_alone(database: PostgresDatabase, connection: object, order: list[str]) -> None:
    with database.alone(connection):  # type: ignore[arg-type] # a Connection
        order.append("first")


def test_a_warning_at_the_end_of_a_transaction_is_a_fault(url: str) -> None:
    database = a_postgres(url)
    connection = database.open_to_write(may_create=False)
    warn = "DO $$ BEGIN RAISE WARNING 'not replicated'; END $$"
    with pytest.raises(StoreError, match="not replicated"), database.transaction(connection):
        connection.execute(text(warn))
    with database.transaction(connection):
        database.insert(connection, rows(0, 1))
    connection.close()

    assert positions(url) == [0]


def test_what_readers_get_is_not_cached(url: str) -> None:
    database = a_postgres(url)
    engine = database.open_to_read()
    connection = database.open_to_write(may_create=False)
    for number in range(3):
        database.insert(connection, rows(number, 1))
        with engine.connect() as reading:
            count = reading.execute(text("SELECT count(*) FROM records")).scalar()
        assert count == number + 1
    connection.close()
    assert database.open_to_read() is engine


def test_what_can_never_be_stored_is_known(url: str) -> None:
    database = a_postgres(url)
    (good,) = rows(0, 1, tool="näme \u2028", payload=b"{}")
    (nul,) = rows(0, 1, tool="a\0b")
    (surrogate,) = rows(0, 1, agent="\ud800")
    (large,) = rows(0, 1, payload=b"x" * MAX_BYTES)

    assert database.unstorable(good.entry) is None
    assert database.unstorable(nul.entry) == "it has a NUL character"
    assert "UnicodeEncodeError" in str(database.unstorable(surrogate.entry))
    assert str(MAX_BYTES) in str(database.unstorable(large.entry))


def test_nothing_is_left_open_where_opening_fails(url: str) -> None:
    ask(url, "UPDATE alembic_version SET version_num = '9999'")
    with suppress(StoreError):
        a_postgres(url).open_to_write(may_create=True)
    with suppress(StoreError):
        a_postgres(url).open_to_read()

    assert sessions(url) == []
