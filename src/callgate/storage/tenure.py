"""The time for which this process is the writer of a log: how it begins, goes on and ends."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress

from sqlalchemy import Connection

from callgate.audit.record import Entry
from callgate.model import Value
from callgate.ports import Clock
from callgate.storage.checkpointing import Checkpoints, newest
from callgate.storage.claiming import Claim, Claiming, Writer, end
from callgate.storage.database import Database, Row
from callgate.storage.facts import carried_over, origin_of
from callgate.storage.joining import Joiner
from callgate.storage.log import Log, LogError, size_in
from callgate.storage.recovery import interruptions
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys

CHUNK = 128  # entries in one statement

_log = logging.getLogger("callgate.storage")


class Signing(Value):
    """What a transaction signs."""

    log: Log
    log_of_logs: Log | None


class Begun(Value):
    """What a transaction has made this process the writer of."""

    writer: Writer
    log: Log
    signed_size: int
    recovered: int  # calls of dead writers, ended now
    left: tuple[str, ...]  # why other logs were left alone


class Tenure:
    """This process as the writer of one log, or of another after it. Raises StoreError."""

    def __init__(self, settings: StoreSettings, database: Database, clock: Clock) -> None:
        self.log = Log(0)  # as far as it is known to be durable
        self._settings = settings
        self._database = database
        self._clock = clock
        self._writer: Writer | None = None
        self._signed_size = 0
        self._signing: Signing | None = None  # that may be durable, and may not
        self._checkpoints: Checkpoints
        self._joiner: Joiner | None = None
        self._left: tuple[str, ...] = ()  # why logs were left alone
        self._before: dict[tuple[str, int], Log | None] = {}  # logs that were ours: as we left them

    @property
    def damage(self) -> tuple[str, ...]:
        """Why logs are not continued, in words."""
        joining = self._joiner.damage if self._joiner is not None else None
        return self._left if joining is None else (*self._left, joining)

    @property
    def is_signed(self) -> bool:
        """Whether nothing is new."""
        return self._writer is None or self.log.size == self._signed_size

    def begin(self, connection: Connection, going_on: Collection[str]) -> Begun:
        """Takes a log, ends the calls of dead writers. In a transaction `alone`.

        `going_on`: calls that this process will end itself. The caller hands what is returned to
        `take` once it is durable, and ends its writer where it is not.
        """
        at = self._clock.now()
        origin = origin_of(connection, self._settings)
        if self._joiner is None or self._checkpoints.origin != origin:
            self._checkpoints = Checkpoints(origin, Keys(self._settings, origin))
            self._joiner = Joiner(self._database, self._checkpoints)
        claiming = Claiming(self._database, self._checkpoints, self._clock)
        known = {log: end for (of, log), end in self._before.items() if of == origin}
        claim = claiming.claim(connection, known)
        try:
            entries = carried_over(connection, at)
            recovered = self._recover(connection, claim, going_on, at)
            log = self._with(connection, claim.log, [*entries, *recovered])
            claim.writer.settle(connection, log.size)
        except BaseException:
            self._give_up(claim.writer)
            raise
        return Begun(
            writer=claim.writer,
            log=log,
            signed_size=claim.signed_size,
            recovered=len(recovered),
            left=tuple(claiming.damage),
        )

    def take(self, begun: Begun) -> None:
        """What `begin` returned is durable."""
        self.log, self._writer = begun.log, begun.writer
        self._signed_size, self._left = begun.signed_size, begun.left
        self._signing = None

    def drop(self, begun: Begun) -> None:
        """It is not, or may not be."""
        self._give_up(begun.writer)

    def resume(self, connection: Connection, sent: Sequence[Row]) -> Sequence[Row] | None:
        """Goes on with the log, after a fault. In a transaction `alone`.

        What of `sent` is durable after all: all of it or nothing. None where the log is not ours
        any more, or not what we wrote: then another tenure begins.
        """
        writer, stood = self._writer, self.log
        if writer is None:
            return None
        try:
            if writer.is_known(connection) and writer.live_on(connection, self._database):
                found = Log.restored(connection, stood.number)
                for expected, durable in self._ends(sent):
                    if found.size == expected.size and found.root() == expected.root():
                        last = newest(connection, stood.number)
                        self._signing = None
                        self.log, self._signed_size = found, last[0] if last is not None else 0
                        return durable
                raise LogError(f"log {stood.number} is not what this gateway wrote")
            self.end()
        except LogError as error:
            _log.error("a log is not continued: %s", error)
            self.end()
            self._before[self._checkpoints.origin, stood.number] = None
        return None

    def settle(self, connection: Connection, seq: int, ended_at: float | None = None) -> None:
        """Notes that all our intents before `seq` have outcomes. In a transaction."""
        assert self._writer is not None  # noqa: S101 - callers have begun
        self._writer.settle(connection, seq, ended_at)

    def sign(self, connection: Connection, *, joins: bool) -> Signing:
        """Signs what is new; `joins` it, and what others signed. In a transaction.

        The caller hands what is returned to `keep` once it is durable.
        """
        at = self._clock.now()
        self._checkpoints.refresh()
        log, joined = self.log, None
        if not self.is_signed:
            announced = self._checkpoints.announcements(connection, log, at)
            if announced:
                log = log.add(self._database, connection, log.rows(announced))
            self._checkpoints.write(connection, log, at)
        if joins and self._joiner is not None:
            joined = self._joiner.join(connection, at)
        self._signing = Signing(log=log, log_of_logs=joined)
        return self._signing

    def keep(self, signing: Signing) -> None:
        """What `sign` returned is durable."""
        self.log, self._signing = signing.log, None
        self._signed_size = signing.log.size
        if signing.log_of_logs is not None and self._joiner is not None:
            self._joiner.keep(signing.log_of_logs)

    def end(self) -> None:
        """Gives the log up: others may take it. Raises nothing."""
        writer, self._writer = self._writer, None
        if writer is not None:
            self._before[self._checkpoints.origin, self.log.number] = self.log
            self._give_up(writer)

    def _give_up(self, writer: Writer) -> None:
        with suppress(*self._database.errors):  # the lock is gone, if perhaps not its file
            writer.end()

    def _ends(self, sent: Sequence[Row]) -> Iterator[tuple[Log, Sequence[Row]]]:
        """Where the log may end after a fault, and what of `sent` is durable then."""
        yield self.log, ()
        if sent:
            yield self.log.grown(sent), sent
        if self._signing is not None:
            yield self._signing.log, ()

    def _recover(
        self, connection: Connection, claim: Claim, going_on: Collection[str], at: float
    ) -> list[Entry]:
        """The outcomes of calls that dead writers left open; signs what those left unsigned."""
        found: list[Entry] = []
        for one in claim.dead:
            found += interruptions(connection, one.number, one.settled, at, but=going_on)
            if not going_on:  # else the next start looks again
                end(connection, one.number, size_in(connection, one.number), at)
            log = one.log
            if log is not None and log is not claim.log and log.size > one.signed_size:
                self._checkpoints.write(connection, log, at)
        return found

    def _with(self, connection: Connection, log: Log, entries: Sequence[Entry]) -> Log:
        for first in range(0, len(entries), CHUNK):
            rows = log.rows(entries[first : first + CHUNK])
            log = log.add(self._database, connection, rows)
        return log
