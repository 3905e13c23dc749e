"""Adds to the log of logs what the others have signed, so that no log can be taken away."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from sqlalchemy import Connection, select

from callgate.audit.joining import joined
from callgate.audit.place import LOG_OF_LOGS
from callgate.audit.record import Entry
from callgate.storage.checkpointing import Checkpoints, joined_size, newest
from callgate.storage.database import Database
from callgate.storage.log import Log, LogError, size_in
from callgate.storage.schema import logs

JOIN = "join"  # the name of the lock that is held while log 0 is added to

_log = logging.getLogger("callgate.storage")


class Joiner:
    """Whoever holds the lock may, for as long as it takes; nobody waits for it."""

    def __init__(self, database: Database, checkpoints: Checkpoints) -> None:
        self.damage: str | None = None  # why log 0 is not continued
        self._database = database
        self._checkpoints = checkpoints
        self._known: Log | None = None  # log 0 as we last left it

    def join(self, connection: Connection, at: float) -> Log | None:
        """In a transaction, with the lock: log 0 as it is then. None where it cannot be continued.

        The caller hands it to `keep` once it is durable.
        """
        try:
            log = self._log_of_logs(connection)
            entries = list(_news(connection, at))
            if not entries:
                return log
        except LogError as error:
            if self.damage is None:
                _log.error("the log of logs is not continued: %s", error)
            self.damage = str(error)
            return None
        self.damage = None
        log = log.add(self._database, connection, log.rows(entries))
        self._checkpoints.write(connection, log, at)
        return log

    def keep(self, log: Log) -> None:
        """What `join` returned is durable."""
        self._known = log

    def _log_of_logs(self, connection: Connection) -> Log:
        known = self._known
        if known is not None and size_in(connection, LOG_OF_LOGS) == known.size:
            return known
        found = Log.restored(connection, LOG_OF_LOGS)
        self._checkpoints.hold_against(connection, found)
        if known is not None and not found.goes_on_from(connection, known):
            raise LogError("log 0 is not what this gateway wrote")
        return found


def _news(connection: Connection, at: float) -> Iterator[Entry]:
    for number in connection.execute(select(logs.c.id).order_by(logs.c.id)).scalars().all():
        last = newest(connection, number)
        if last is not None and last[0] > joined_size(connection, number):
            yield joined(number, last[0], last[1], at)
