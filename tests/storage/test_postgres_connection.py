"""Connections to a real server; a few to one that is held, restarted or made a standby."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from callgate.ports import StoreError
from callgate.storage import postgres_connection
from callgate.storage.postgres_connection import driver, reading_engine, sync, writing_engine
from callgate.storage.settings import StoreSettings
from fakes.authority import Authority
from fakes.cut_wire import CutWire
from fakes.postgres import (
    Postgres,
    a_database,
    a_role,
    a_server,
    a_standby,
    ask,
    in_database,
    port_of,
    sessions,
    terminate,
    through,
)


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


def settings(url: str, **more: object) -> StoreSettings:
    return StoreSettings.model_validate({"url": url, **more})


def setting(url: str, name: str, **more: object) -> str:
    """What a connection that writes has the server keep to."""
    with writing_engine(settings(url, **more)).connect() as connection:
        return str(connection.execute(text(f"SHOW {name}")).scalar())


def test_a_statement_outside_of_a_transaction_is_one(url: str) -> None:
    with writing_engine(settings(url)).connect() as connection:
        driver(connection).execute("CREATE TABLE t (n int)")
        with connection.begin():
            connection.execute(text("INSERT INTO t VALUES (1)"))
        with pytest.raises(ZeroDivisionError), connection.begin():
            connection.execute(text("INSERT INTO t VALUES (2)"))
            raise ZeroDivisionError
        driver(connection).execute("INSERT INTO t VALUES (3)")

    assert ask(url, "SELECT n FROM t ORDER BY n") == [(1,), (3,)]


def test_readers_cannot_write_and_see_one_state_for_a_transaction(url: str) -> None:
    ask(url, "CREATE TABLE t (n int)")
    with reading_engine(settings(url)).connect() as connection:
        with pytest.raises(Exception, match="read-only transaction"), connection.begin():
            connection.execute(text("INSERT INTO t VALUES (1)"))
        with connection.begin():
            count = text("SELECT count(*) FROM t")
            before = connection.execute(count).scalar()
            ask(url, "INSERT INTO t VALUES (2)")
            assert connection.execute(count).scalar() == before


def test_the_server_is_told_the_limits(url: str) -> None:
    limits = {"statement_timeout_seconds": 3, "busy_timeout_seconds": 0.25}

    assert setting(url, "statement_timeout", **limits) == "3s"
    assert setting(url, "lock_timeout", **limits) == "250ms"
    assert setting(url, "idle_in_transaction_session_timeout", **limits) == "3s"


@pytest.mark.parametrize(
    ("server", "mode"), [("on", "on"), ("off", "on"), ("remote_apply", "remote_apply")]
)
def test_a_commit_waits_for_the_disk_whatever_the_server_is_used_to(
    url: str, server: str, mode: str
) -> None:
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET synchronous_commit = '{server}'")
    show = text("SHOW synchronous_commit")
    with writing_engine(settings(url)).connect() as connection:
        assert connection.execute(show).scalar() == mode
        sync(driver(connection), is_wanted=False)
        assert connection.execute(show).scalar() == "off"
        sync(driver(connection), is_wanted=True)
        assert connection.execute(show).scalar() == mode


def test_a_server_that_does_not_sync_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with a_server(fsync="off") as server, caplog.at_level(logging.WARNING):
        assert setting(server.url, "fsync") == "off"

    assert "fsync is off" in caplog.text


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("ENCODING 'SQL_ASCII'", "TEMPLATE template0", "LOCALE 'C'"), "holds SQL_ASCII"),
        (("ENCODING 'LATIN1'", "TEMPLATE template0", "LOCALE 'C'"), "holds LATIN1"),
    ],
)
def test_a_database_that_cannot_hold_every_text_is_refused(
    options: tuple[str, ...], reason: str
) -> None:
    with a_database(None, *options) as url:
        for engine in (writing_engine(settings(url)), reading_engine(settings(url))):
            with pytest.raises(StoreError, match=reason):
                engine.connect()


def test_an_old_server_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "OLDEST", 990000)

    with pytest.raises(StoreError, match="14 or newer"):
        writing_engine(settings(url)).connect()


def test_a_database_that_was_made_read_only_is_refused(url: str) -> None:
    ask(url, f"ALTER DATABASE {url.rpartition('/')[2]} SET default_transaction_read_only = on")

    with pytest.raises(StoreError, match="standby or read-only"):
        writing_engine(settings(url)).connect()


@pytest.mark.e2e
def test_a_standby_can_be_read_and_takes_the_record_only_when_it_is_promoted() -> None:
    with a_server() as primary:
        ask(primary.url, "CREATE TABLE t AS SELECT 7 AS n")
        with a_standby(primary) as standby:
            with pytest.raises(StoreError, match="standby or read-only"):
                writing_engine(settings(standby.url)).connect()
            with reading_engine(settings(standby.url)).connect() as connection:
                assert connection.execute(text("SELECT n FROM t")).scalar() == 7
            both = settings(_of_both(standby, primary))
            with writing_engine(both).connect() as connection:
                assert connection.execute(text("SHOW port")).scalar() == str(primary.port)
            ask(standby.url, "SELECT pg_promote()")
            with writing_engine(settings(standby.url)).connect() as connection:
                assert connection.execute(text("SELECT n FROM t")).scalar() == 7


@pytest.mark.e2e
def test_a_server_is_who_its_certificate_says(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    with a_server() as server:
        server.use_certificate(*ours.issue("localhost"))
        server.stop()
        server.start(ssl="on")

        def secured(host: str, authority: Authority) -> StoreSettings:
            tls = f"sslmode=verify-full&sslrootcert={authority.file}"
            return settings(f"postgresql://postgres@{host}:{server.port}/postgres?{tls}")

        query = text("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        with writing_engine(secured("localhost", ours)).connect() as connection:
            assert connection.execute(query).scalar() is True
        for stranger in (secured("localhost", theirs), secured("127.0.0.1", ours)):
            with pytest.raises(OperationalError, match="certificate"):
                writing_engine(stranger).connect()


def _of_both(one: Postgres, other: Postgres) -> str:
    return f"postgresql://postgres@127.0.0.1:{one.port},127.0.0.1:{other.port}/postgres"


def test_a_schema_that_is_missing_is_refused(url: str) -> None:
    with pytest.raises(StoreError, match="no schema to write to"):
        writing_engine(settings(f"{url}?options=-csearch_path%3Dgateway")).connect()


def test_a_pooler_is_refused(url: str) -> None:
    # What a client is told of its session, is the pooler's, not the server's.
    def pretend(heard: bytes) -> bytes:
        at = heard.find(b"K\x00\x00\x00\x0c")
        return heard if at < 0 else heard[: at + 5] + b"\x00\x00\x00\x07" + heard[at + 9 :]

    with (
        CutWire(port_of(url), heard=pretend) as wire,
        pytest.raises(StoreError, match="pooler"),
    ):
        writing_engine(settings(through(url, wire.port))).connect()


def test_a_role_without_connections_left_is_told(url: str) -> None:
    with (
        a_role(url, "CONNECTION LIMIT 1") as of_role,
        psycopg.connect(of_role),
        pytest.raises(OperationalError, match="too many connections"),
    ):
        writing_engine(settings(of_role)).connect()


def test_a_closed_connection_is_noticed_without_a_question(url: str) -> None:
    with writing_engine(settings(url)).connect() as connection:
        bare = driver(connection)
        assert not bare.is_lost()
        bare.execute("LISTEN news")
        ask(url, "NOTIFY news")
        assert not bare.is_lost()
        assert terminate(url) == 1
        assert bare.is_lost()
        assert bare.is_lost()


@pytest.mark.e2e
def test_a_server_that_stands_still_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "GRACE_SECONDS", 0.05)
    with a_server() as server:
        engine = writing_engine(settings(server.url, statement_timeout_seconds=1.0))
        with engine.connect() as connection:
            bare = driver(connection)
            with (
                server.held(),
                pytest.raises(psycopg.OperationalError, match="has not answered"),
            ):
                bare.execute("SELECT 1")
            assert bare.is_lost()


def test_a_warning_is_kept_for_whoever_asks(url: str) -> None:
    with writing_engine(settings(url)).connect() as connection:
        bare = driver(connection)
        bare.execute("DO $$ BEGIN RAISE NOTICE 'by the way'; END $$")
        assert bare.warning is None
        bare.execute("DO $$ BEGIN RAISE WARNING 'not synced'; END $$")
        assert bare.warning == "not synced"


def test_sessions_are_known_by_name(url: str) -> None:
    with writing_engine(settings(url)).connect() as connection:
        assert sessions(url) == [driver(connection).session[0]]
    assert ask(in_database(url, "postgres"), "SELECT 1") == [(1,)]
