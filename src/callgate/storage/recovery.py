"""Who writes to the file, and the outcome of calls whose gateway died in the middle."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, LargeBinary, Row, cast, insert, select, update

from callgate.audit.chain import GENESIS
from callgate.audit.record import Entry, interrupted
from callgate.ports import Clock, StoreError
from callgate.storage.liveness import Life
from callgate.storage.schema import records, writers
from callgate.storage.settings import StoreSettings

_log = logging.getLogger("callgate.storage")

_SETTLE = "UPDATE writers SET settled_seq = ?, ended_at = ? WHERE id = ?"  # often: not through Core


class Writer:
    """This process among those that write to the same file."""

    def __init__(self, number: int, token: str, life: Life) -> None:
        self.number = number
        self.token = token
        self._life = life

    @classmethod
    def register(cls, connection: Connection, settings: StoreSettings, clock: Clock) -> Writer:
        """Takes a number. The caller holds a transaction. Raises StoreError."""
        token = secrets.token_hex(16)
        life = _claim(settings, token)  # before anybody can see the row
        if life is None:
            raise StoreError(f"{settings.path}: locks do not work on this file system")
        row = {
            "token": token,
            "pid": os.getpid(),
            "started_at": clock.now(),
            "settled_seq": head(connection)[0],
        }
        inserted = connection.execute(insert(writers).values(row)).inserted_primary_key
        assert inserted is not None  # noqa: S101 - one row, one key
        return cls(inserted[0], token, life)

    def is_known(self, connection: Connection) -> bool:
        """Whether the file still knows this writer: it may have been replaced by another."""
        query = select(writers.c.token).where(writers.c.id == self.number)
        return connection.execute(query).scalar() == self.token

    def settle(self, bare: sqlite3.Connection, seq: int, ended_at: float | None) -> None:
        """Notes that this writer's intents up to `seq` have outcomes."""
        bare.execute(_SETTLE, (seq, ended_at, self.number))

    def end(self) -> None:
        """Gives up the lock: from here on this writer counts as gone."""
        self._life.end()


def head(connection: Connection) -> tuple[int, str]:
    """The last record's number and hash: where the chain goes on."""
    query = select(records.c.seq, records.c.hash).order_by(records.c.seq.desc()).limit(1)
    row = connection.execute(query).first()
    return (0, GENESIS) if row is None else (row.seq, row.hash)


def recover(
    connection: Connection,
    settings: StoreSettings,
    clock: Clock,
    append: Callable[[list[Entry]], None],
) -> int:
    """Writes `interrupted` for every call a dead writer left open; how many. In a transaction."""
    lives: list[Life] = []
    count = 0
    try:
        for row in connection.execute(select(writers).where(writers.c.ended_at.is_(None))).all():
            life = _claim(settings, row.token)
            if life is None:
                continue  # alive, or ourselves
            lives.append(life)
            entries = list(_outcomes(_open_intents(connection, row), clock.now()))
            append(entries)
            count += len(entries)
            ended = update(writers).where(writers.c.id == row.id)
            connection.execute(ended.values(ended_at=clock.now()))
    finally:
        for life in lives:
            life.end()
    return count


def _open_intents(connection: Connection, writer: Row[*tuple[Any, ...]]) -> list[bytes]:
    outcome = records.alias("outcome")
    has_outcome = (
        select(1)
        .where(outcome.c.call_id == records.c.call_id, outcome.c.kind == "outcome")
        .exists()
    )
    query = (
        select(cast(records.c.body, LargeBinary))  # the bytes, whatever they have become
        .where(
            records.c.seq > writer.settled_seq,
            records.c.writer == writer.id,
            records.c.kind == "intent",
            ~has_outcome,
        )
        .order_by(records.c.seq)
    )
    return list(connection.execute(query).scalars())


def _outcomes(intents: list[bytes], at: float) -> Iterator[Entry]:
    for body in intents:
        try:
            yield interrupted(body, at)
        except ValueError as error:  # tampered with: for `audit verify`, not a reason not to start
            _log.error("an intent without an outcome cannot be read: %s", error)


def _claim(settings: StoreSettings, token: str) -> Life | None:
    try:
        return Life.claim(settings.path, token)
    except OSError as error:
        where = settings.path.parent
        raise StoreError(f"no lock file can be made in {where}: {error.strerror}") from error
