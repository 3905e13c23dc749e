"""Connecting to PostgreSQL: bounded in time, and only where a record can safely be written."""

from __future__ import annotations

import logging
import select
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from psycopg import pq
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict
from psycopg.errors import _WaitTimeout
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from callgate.ports import StoreError
from callgate.storage.settings import StoreSettings

OLDEST = 140000  # of the servers that we are tested with; older ones get no fixes any more
GRACE_SECONDS = 2.0  # beyond its own limit, before a server counts as one that does not answer
READ_SECONDS = 120.0  # for one statement of a reader

T = TypeVar("T")

_log = logging.getLogger("callgate.storage")


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is given up where the server does not answer in time.

    The server's own limits do not help where the server hangs, waits for a standby, or is gone
    without a word.
    """

    patience_seconds: float | None = None
    warning: str | None = None  # what the server warned of since this was last emptied
    is_syncing = True  # whether commits wait for the server's disk
    sync_mode = "on"  # synchronous_commit, while they do
    session: tuple[int, str] = (0, "")  # its process in the server, and when that began

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.prepared: set[int] = set()  # sizes of groups whose INSERT the server knows
        self.held: set[int] = set()  # keys of the locks that this session holds

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """As psycopg has it, but never for ever."""
        patience = timeout or self.patience_seconds
        try:
            return super().wait(gen, interval, patience)
        except _WaitTimeout:
            self.pgconn.finish()  # INVARIANT: whatever comes late cannot be taken for an answer
            raise psycopg.OperationalError(
                f"the server has not answered for {patience:.0f} s"
            ) from None

    def is_lost(self) -> bool:
        """Whether the server has closed the connection while nobody was looking. 2 µs."""
        if self.closed or self.pgconn.status != pq.ConnStatus.OK:
            return True
        poll = select.poll()
        poll.register(self.pgconn.socket, select.POLLIN)
        while poll.poll(0):  # a parting message, then the end; or a mere notice
            try:
                self.pgconn.consume_input()
            except psycopg.Error:
                return True
        return False


def driver(connection: Connection) -> BoundedConnection:
    """The bare connection: for what must be fast or must raise the driver's own errors."""
    bare = connection.connection.driver_connection
    assert isinstance(bare, BoundedConnection)  # noqa: S101 - for the type checker
    return bare


def writing_engine(settings: StoreSettings) -> Engine:
    """Connections that write: each statement is a transaction, unless one was begun."""
    engine = _engine(lambda: _connect_to_write(settings))
    event.listen(engine, "begin", _begin)
    return engine


def reading_engine(settings: StoreSettings) -> Engine:
    """Connections that cannot write; each transaction sees one state of the database."""
    return _engine(lambda: _connect_to_read(settings))


def _engine(connect: Callable[[], BoundedConnection]) -> Engine:
    return create_engine(
        "postgresql+psycopg://",
        creator=connect,
        # Nobody is there to close a pool; connecting takes some milliseconds.
        poolclass=NullPool,
        pool_reset_on_return=None,  # it may be lost
        use_native_hstore=False,  # a question at every start
    )


def _begin(connection: Connection) -> None:
    driver(connection).execute("BEGIN")


def _connect_to_write(settings: StoreSettings) -> BoundedConnection:
    connection = _connect(settings, is_autocommit=True, session="read-write")
    try:
        _refuse_unsafe(connection)
        seconds = settings.statement_timeout_seconds
        connection.patience_seconds = seconds + GRACE_SECONDS
        _set(
            connection,
            statement_timeout=_milliseconds(seconds),
            lock_timeout=_milliseconds(settings.busy_timeout_seconds),
            # Whoever hangs in a transaction holds what others wait for.
            idle_in_transaction_session_timeout=_milliseconds(seconds),
            idle_session_timeout="0",  # a gateway without calls keeps its lock
            # The server must notice that we are gone: our lock lives as long as its session.
            tcp_keepalives_idle="10",
            tcp_keepalives_interval="5",
            tcp_keepalives_count="3",
        )
        _begin_synced(connection)
        connection.add_notice_handler(_heed(connection))
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_to_read(settings: StoreSettings) -> BoundedConnection:
    connection = _connect(settings, is_autocommit=True, session="any")
    try:
        _refuse_foreign(connection)
        connection.patience_seconds = READ_SECONDS + GRACE_SECONDS
        _set(
            connection,
            default_transaction_read_only="on",
            default_transaction_isolation="repeatable read",
            statement_timeout=_milliseconds(READ_SECONDS),
            idle_in_transaction_session_timeout=_milliseconds(READ_SECONDS),
        )
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def _connect(settings: StoreSettings, *, is_autocommit: bool, session: str) -> BoundedConnection:
    """`session`: which of several servers to take, where the URL does not say itself."""
    assert settings.url is not None  # noqa: S101 - whoever comes here has looked
    asked = conninfo_to_dict(settings.url)
    several = "," in str(asked.get("host"))
    # libpq reads the URL: hosts, TLS, PGPASSWORD, ~/.pgpass and services are as it has them.
    connection = BoundedConnection.connect(
        settings.url,
        autocommit=is_autocommit,
        connect_timeout=max(2, round(settings.connect_timeout_seconds)),  # less libpq does not take
        fallback_application_name="callgate",
        client_encoding="UTF8",
        tcp_user_timeout=_milliseconds(settings.statement_timeout_seconds + GRACE_SECONDS),
        keepalives_idle=10,
        keepalives_interval=5,
        keepalives_count=3,
        target_session_attrs=asked.get("target_session_attrs", session if several else "any"),
    )
    connection.patience_seconds = settings.connect_timeout_seconds + GRACE_SECONDS
    return connection


def _set(connection: BoundedConnection, **parameters: str) -> None:
    calls = ", ".join("set_config(%s, %s, false)" for _ in parameters)
    values = [text for pair in parameters.items() for text in pair]
    connection.execute(f"SELECT {calls}", values)


def _milliseconds(seconds: float) -> str:
    return str(max(1, round(seconds * 1000)))


def _refuse_foreign(connection: BoundedConnection) -> None:
    version = connection.info.server_version
    if version < OLDEST:
        raise StoreError(f"the server is PostgreSQL {version // 10000}: 14 or newer is needed")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise StoreError(
            f"the database holds {encoding}, not every text: create one with --encoding=UTF8"
        )


def _refuse_unsafe(connection: BoundedConnection) -> None:
    """Refuses what would answer, but not keep what a record needs."""
    _refuse_foreign(connection)
    row = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), pg_backend_pid(),"
        " current_schema(), backend_start::text"
        " FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    ).fetchone()
    assert row is not None  # noqa: S101 - every session sees itself
    is_standby, is_read_only, pid, schema, started = row
    connection.session = (pid, started)
    if is_standby or is_read_only == "on":
        raise StoreError("the server is a standby or read-only: point store.url at the primary")
    if pid != connection.info.backend_pid:
        # Its sessions are not ours: locks would be taken in one and writes made in another.
        raise StoreError("store.url leads to a pooler (PgBouncer?): point it at the server itself")
    if schema is None:
        raise StoreError("there is no schema to write to: create the one that search_path names")


def sync(connection: BoundedConnection, *, is_wanted: bool) -> None:
    """Whether from here on a commit waits for the server's disk, and standbys where it has such."""
    if is_wanted != connection.is_syncing:
        _set(connection, synchronous_commit=connection.sync_mode if is_wanted else "off")
        connection.is_syncing = is_wanted


def _begin_synced(connection: BoundedConnection) -> None:
    row = connection.execute(
        "SELECT current_setting('synchronous_commit'), current_setting('fsync'),"
        " current_setting('full_page_writes')"
    ).fetchone()
    mode, *safety = row or ("off",)
    if mode == "off":
        _set(connection, synchronous_commit=connection.sync_mode)
    else:  # it may wait for standbys too: as the server's owner wants it
        connection.sync_mode = mode
    if safety != ["on", "on"]:
        _log.warning("the record's PostgreSQL does not survive the loss of power: fsync is off")


def _heed(connection: BoundedConnection) -> Callable[[psycopg.errors.Diagnostic], None]:
    def heed(diagnostic: psycopg.errors.Diagnostic) -> None:
        if diagnostic.severity_nonlocalized == "WARNING":
            connection.warning = diagnostic.message_primary or "a warning"

    return heed
