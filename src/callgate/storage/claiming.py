"""Which log this process writes: a free one that holds, else a new one."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

from sqlalchemy import Connection, bindparam, func, insert, select, update

from callgate.audit.place import LOG_OF_LOGS, place
from callgate.model import Value
from callgate.ports import Clock, StoreError
from callgate.storage.checkpointing import Checkpoints
from callgate.storage.database import Database, Life
from callgate.storage.log import Log, LogError
from callgate.storage.schema import checkpoints, logs, records, tiles

# Built once: a writer notes it for each tile.
_NOTED = (
    update(logs)
    .where(logs.c.id == bindparam("of"))
    .values(settled_seq=bindparam("seq"), ended_at=bindparam("ended"))
)

_log = logging.getLogger("callgate.storage")

Ends = Mapping[int, Log | None]
"""Logs as this process left them: none is continued that is behind that. None: not at all."""


class Writer:
    """This process as the only writer of a log."""

    def __init__(self, log: int, token: str, life: Life) -> None:
        self.log = log
        self.token = token
        self._life = life

    def is_known(self, connection: Connection) -> bool:
        """Whether the database still knows this writer: it may have been put back to earlier."""
        query = select(logs.c.token).where(logs.c.id == self.log)
        return connection.execute(query).scalar() == self.token

    def live_on(self, connection: Connection, database: Database) -> bool:
        """Takes the lock again where it ended with the connection before; whether that went."""
        if not database.is_life_of_connection:
            return True
        life = database.claim(connection, self.token)
        if life is None:
            return False
        self._life = life
        return True

    def settle(self, connection: Connection, seq: int, ended_at: float | None = None) -> None:
        """Notes that all intents before `seq` have outcomes. In a transaction."""
        connection.execute(_NOTED, {"of": self.log, "seq": seq, "ended": ended_at})

    def end(self) -> None:
        """Gives up the lock: from here on the log is free."""
        self._life.end()


class Free(Value):
    """A log that no living process writes."""

    number: int
    settled: int
    has_ended: bool  # in order: none of its calls is open
    log: Log | None = None  # where it holds
    signed_size: int = 0


class Claim(Value):
    """What this process writes from now on."""

    writer: Writer
    log: Log
    signed_size: int
    dead: tuple[Free, ...]  # whose writers died, this one's own before too


class Claiming:
    """Looks for a log. Raises StoreError."""

    def __init__(self, database: Database, checkpoints: Checkpoints, clock: Clock) -> None:
        self.damage: list[str] = []  # why logs were left alone
        self._database = database
        self._checkpoints = checkpoints
        self._clock = clock

    def claim(self, connection: Connection, known: Ends) -> Claim:
        """In a transaction `alone`."""
        with ExitStack() as lives:
            free = list(self._free(connection, lives))
            # The newest first: the older ones are of times when more processes wrote, or broken.
            dead = [self._held(connection, one, known) for one in free if not one.has_ended]
            chosen = next((one for one in dead if one.log is not None), None)
            if chosen is None:
                ended = (self._held(connection, one, known) for one in free if one.has_ended)
                chosen = next((one for one in ended if one.log is not None), None)
            for one in dead:
                if one is not chosen:
                    _take_away(connection, one.number)
            number = self._next_number(connection) if chosen is None else chosen.number
            writer = self._become_writer(connection, number, chosen)
            taken = chosen or Free(number=number, settled=0, has_ended=True)
            return Claim(
                writer=writer,
                log=taken.log or Log(number),
                signed_size=taken.signed_size,
                dead=tuple(dead),
            )

    def _free(self, connection: Connection, lives: ExitStack) -> Iterator[Free]:
        query = select(logs).where(logs.c.id != LOG_OF_LOGS).order_by(logs.c.id.desc())
        for row in connection.execute(query).all():
            if not str(row.token).isalnum() or not isinstance(row.settled_seq, int):
                self._leave(f"log {row.id}: what is noted of its writer was edited")
                continue
            life = self._database.claim(connection, row.token)
            if life is None:
                continue  # its writer lives
            lives.callback(life.end)
            yield Free(number=row.id, settled=row.settled_seq, has_ended=row.ended_at is not None)

    def _leave(self, reason: str) -> None:
        _log.error("a log is not continued: %s; see `callgate audit verify`", reason)
        self.damage.append(reason)

    def _held(self, connection: Connection, free: Free, known: Ends) -> Free:
        """With its log, where that is what it was when it was last signed, and last written."""
        try:
            log = Log.restored(connection, free.number)
            signed_size = self._checkpoints.hold_against(connection, log)
            ended = known.get(free.number, Log(free.number))
            if ended is None or not log.goes_on_from(connection, ended):
                raise LogError(f"log {free.number} is not what this gateway wrote")
        except LogError as error:
            self._leave(str(error))
            return free
        return Free(
            number=free.number,
            settled=free.settled,
            has_ended=free.has_ended,
            log=log,
            signed_size=signed_size,
        )

    def _become_writer(self, connection: Connection, number: int, free: Free | None) -> Writer:
        # Never a token twice: whoever comes back to a log that was given away finds another one.
        token = _new_token()
        life = self._database.claim(connection, token)  # before anybody can see the row
        if life is None:
            raise StoreError(f"{self._database.place}: locks do not work there")
        row = {
            "token": token,
            "pid": os.getpid(),
            "started_at": self._clock.now(),
            "ended_at": None,
        }
        if free is None:
            connection.execute(insert(logs).values(id=number, settled_seq=0, **row))
        else:
            connection.execute(update(logs).where(logs.c.id == number).values(**row))
        return Writer(number, token, life)

    def _next_number(self, connection: Connection) -> int:
        """One that nothing in the database is of, whatever happened to the rows of `logs`."""
        highest: int | None = connection.execute(select(func.max(records.c.position))).scalar()
        numbers = [LOG_OF_LOGS, 0 if highest is None else place(highest)[0]]
        for column in (logs.c.id, checkpoints.c.log, tiles.c.log):
            found: int | None = connection.execute(select(func.max(column))).scalar()
            numbers.append(found or 0)
        return max(numbers) + 1


def _new_token() -> str:
    return secrets.token_hex(16)


def _take_away(connection: Connection, log: int) -> None:
    """From a writer whose calls are ended now: was it only cut off, it begins another log."""
    connection.execute(update(logs).where(logs.c.id == log).values(token=_new_token()))


def end(connection: Connection, log: int, seq: int, at: float) -> None:
    """Notes that a log has no open calls. In a transaction."""
    connection.execute(_NOTED, {"of": log, "seq": seq, "ended": at})
