"""The record in PostgreSQL: several gateways may share it, each writes a log of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import psycopg
from psycopg import errors
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage.database import Holds, Life, LostError, Row
from callgate.storage.postgres_connection import (
    GRACE_SECONDS,
    BoundedConnection,
    driver,
    reading_engine,
    sync,
    writing_engine,
)
from callgate.storage.postgres_inserting import insert, refuse_warned
from callgate.storage.postgres_locks import ALONE, claim, end_session, key_of
from callgate.storage.postgres_schema import bring_up_to_date, refuse_other_revision, revision
from callgate.storage.postgres_url import shown
from callgate.storage.postgres_words import said
from callgate.storage.schema import REVISION
from callgate.storage.settings import StoreSettings
from callgate.storage.storable import unstorable

VACUUM_STATEMENT = "VACUUM records"
VACUUM_SECONDS = 30.0  # a gateway that stops waits for it
MAX_BYTES = 400_000_000  # of an entry; PostgreSQL's own limit is 1 GB, for all it makes of it


class PostgresDatabase:
    """Implements Database."""

    is_life_of_connection = True
    errors: tuple[type[Exception], ...] = (psycopg.Error, SQLAlchemyError)

    def __init__(self, settings: StoreSettings) -> None:
        assert settings.url is not None  # noqa: S101 - `databases.database_of` has looked
        self._settings = settings
        self.place = shown(settings.url)
        self._reading: Engine | None = None
        self._last: BoundedConnection | None = None  # that wrote

    def open_to_write(self, *, may_create: bool) -> Connection:
        """Raises StoreError where the server is not there, not ours, a standby, or newer."""
        try:
            return self._open_to_write(may_create=may_create)
        except StoreError as error:
            raise StoreError(f"{self.place}: {error}") from error
        except self.errors as error:
            raise StoreError(f"{self.place} cannot be opened: {said(error)}") from error

    def open_to_read(self) -> Engine:
        """Each use of it is a connection of its own. StoreError."""
        if self._reading is None:
            engine = reading_engine(self._settings)
            try:
                with engine.connect() as connection:
                    refuse_other_revision(revision(driver(connection)))
            except StoreError as error:
                raise type(error)(f"{self.place}: {error}") from error
            except self.errors as error:
                raise StoreError(f"{self.place} cannot be read: {said(error)}") from error
            self._reading = engine
        return self._reading

    @contextmanager
    def transaction(self, connection: Connection) -> Iterator[None]:
        """Of one writer: holds nothing that others wait for."""
        bare = driver(connection)
        bare.warning = None
        with connection.begin():
            yield
        refuse_warned(bare)

    @contextmanager
    def alone(self, connection: Connection) -> Iterator[None]:
        """Waits for others for up to `busy_timeout_seconds`."""
        with self.transaction(connection):
            bare = driver(connection)
            bare.execute("SELECT pg_advisory_xact_lock(%s)", (key_of(bare, ALONE),))
            yield

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Adds records, all or none. TakenError."""
        insert(driver(connection), rows)

    def claim(self, connection: Connection, token: str) -> Life | None:
        """A lock that lasts as long as the connection."""
        return claim(driver(connection), token)

    def before_group(self, connection: Connection, holds: Holds) -> None:
        """Every group is synced (`synchronous: full`), or checkpoints alone.

        Outcomes too: the gateway lives on where the server crashes, and would not know that it
        forgot them.
        """
        bare = None if connection.invalidated else driver(connection)
        if bare is None or bare.is_lost():
            raise LostError(f"{self.place}: the connection was closed")
        sync(bare, is_wanted=self._settings.synchronous == "full" or holds == "checkpoint")

    def before_erasing(self, connection: Connection) -> None:
        """Whatever a crash undoes is done again: nobody has to wait for the server's disk."""
        sync(driver(connection), is_wanted=False)

    def after_erasing(self, connection: Connection) -> str | None:
        """Its room is free for what comes; the server's own copies are for its owner to see to."""
        bare = driver(connection)
        limits = bare.patience_seconds
        bare.patience_seconds = VACUUM_SECONDS + GRACE_SECONDS
        try:
            bare.execute(f"SET statement_timeout = '{VACUUM_SECONDS:.0f}s'")
            with suppress(errors.QueryCanceled):  # a large table: autovacuum sees to the rest
                bare.execute(VACUUM_STATEMENT)
        finally:
            if not bare.closed:
                milliseconds = round(self._settings.statement_timeout_seconds * 1000)
                bare.execute(f"SET statement_timeout = {max(1, milliseconds)}")
            bare.patience_seconds = limits
        return None

    def unstorable(self, entry: Entry) -> str | None:
        """Why PostgreSQL could never hold the entry."""
        reason = unstorable(entry, MAX_BYTES)
        if reason is None and any("\0" in text for text in _texts(entry)):
            reason = "it has a NUL character"
        return reason

    def said(self, error: Exception) -> str:
        """The database's own words, without what calls carried."""
        return said(error)

    def _open_to_write(self, *, may_create: bool) -> Connection:
        engine = writing_engine(self._settings)
        connection = engine.connect()
        try:
            bare = driver(connection)
            self._replace_session(bare)
            found = revision(bare)
            if found is None and not may_create:
                raise StoreError("it holds no record: put it back, or restart to begin a new one")
            if found == REVISION:
                return connection
            bring_up_to_date(connection, self.place)
        except BaseException:
            connection.close()
            raise
        connection.close()  # it had no limits
        return self._open_to_write(may_create=False)

    def _replace_session(self, bare: BoundedConnection) -> None:
        """The session before may live on in the server, and with it our own locks."""
        lost, self._last = self._last, bare
        if lost is not None and lost.closed:
            with suppress(errors.InsufficientPrivilege):  # then the server must notice by itself
                end_session(bare, lost)


def _texts(entry: Entry) -> Iterator[str]:
    index = (entry.kind, entry.call_id, entry.run, entry.principal, entry.agent)
    for text in (*index, entry.target, entry.tool, entry.code, entry.ran):
        if text is not None:
            yield text
    yield entry.body.decode()
    yield (entry.payload or b"").decode()
