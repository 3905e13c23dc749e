"""What differs between the databases that can hold the record, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol

from sqlalchemy import Connection, Engine

from callgate.audit.record import Entry
from callgate.model import Value
from callgate.ports import StoreError

Holds = Literal["outcomes", "intents", "checkpoint"]  # what the next group has in it at most


class Row(Value, gc=False):
    """One entry at its place, as it goes into `schema.records`."""

    position: int  # audit.place
    hash: bytes  # of the leaf
    entry: Entry

    def values(self) -> tuple[object, ...]:
        """In the order of `schema.records`."""
        entry = self.entry
        return (
            self.position,
            entry.kind,
            entry.call_id,
            entry.at,
            entry.run,
            entry.principal,
            entry.agent,
            entry.target,
            entry.tool,
            entry.code,
            entry.ran,
            entry.is_delivered,
            self.hash,
            entry.body.decode(),
            None if entry.payload is None else entry.payload.decode(),
        )


class NoRecordError(StoreError):
    """There is no database, or nothing in it: no gateway has run with it yet."""


class TakenError(StoreError):
    """The position that the only writer of a log was to fill is filled already."""


class LostError(StoreError):
    """The connection was dead before anything of the group was sent: it can be sent anew."""


class Life(Protocol):
    """A lock that ends with the process that holds it, however that ends."""

    def end(self) -> None:
        """Gives it up."""


class Database(Protocol):
    """One database that holds the record. For one thread; several objects may share the place.

    What goes wrong is raised as StoreError or as one of `errors`, which `said` puts into words.
    """

    place: str  # for messages; without secrets
    errors: tuple[type[Exception], ...]  # of the driver and of SQLAlchemy
    is_life_of_connection: bool  # whether locks are lost with the connection that took them

    def open_to_write(self, *, may_create: bool) -> Connection:
        """A connection outside of any transaction, with the schema brought up to date. StoreError.

        `may_create`: whether a database that is not there is made; else that is an error.
        """

    def open_to_read(self) -> Engine:
        """An engine that cannot write; works beside a running gateway. StoreError."""

    def transaction(self, connection: Connection) -> AbstractContextManager[None]:
        """All or nothing, durable when it ends. Of one writer; waits for others where it must."""

    def alone(self, connection: Connection) -> AbstractContextManager[None]:
        """A transaction while no other process is in one of these: for claiming logs."""

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Adds records, in the transaction if there is one, else durable on return.

        Raises TakenError; LostError.
        INVARIANT: all rows or none.
        """

    def claim(self, connection: Connection, token: str) -> Life | None:
        """The lock of this name, without waiting; None where a living process holds it."""

    def before_group(self, connection: Connection, holds: Holds) -> None:
        """Right before a group is written: StoreError where the place is not the same. LostError.

        After it commits, intents outlive the loss of power where the settings want that;
        checkpoints always do, with all that they cover: a witness may have seen them.
        """

    def before_erasing(self, connection: Connection) -> None:
        """What this connection erases from here on leaves no trace, as far as can be."""

    def after_erasing(self, connection: Connection) -> str | None:
        """Takes away the copies that the database itself has; why some are left, if so."""

    def unstorable(self, entry: Entry) -> str | None:
        """Why this database could never hold the entry; None where it could. For after a fault."""

    def said(self, error: Exception) -> str:
        """The database's own words, without the statement's parameters: those are from calls."""
