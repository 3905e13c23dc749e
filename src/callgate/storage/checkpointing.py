"""Signs how far a log has come, and holds a log against what was signed of it last."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from callgate.audit.checkpoints import Checkpoint, log_origin, open_checkpoint
from callgate.audit.joining import joined_id
from callgate.audit.notes import NoteError
from callgate.audit.place import MAX_SEQ
from callgate.audit.record import Entry
from callgate.audit.rotation import key_changed, newcomers
from callgate.storage.log import Log, LogError
from callgate.storage.schema import checkpoints, records
from callgate.storage.signing import Keys


class Checkpoints:
    """The checkpoints of all logs of a store."""

    def __init__(self, origin: str, keys: Keys) -> None:
        self.origin = origin
        self._keys = keys

    def refresh(self) -> None:
        """Looks whether other keys sign from now on."""
        self._keys.refresh()

    def announcements(self, connection: Connection, log: Log, at: float) -> list[Entry]:
        """What a log must say before keys sign it that did not sign it before."""
        last = newest(connection, log.number)
        keys = self._keys.current
        added = newcomers(keys, None if last is None else last[1])
        return [key_changed(one, keys, at) for one in added]

    def write(self, connection: Connection, log: Log, at: float) -> None:
        """Signs the log as it is. In a transaction."""
        checkpoint = Checkpoint(
            origin=log_origin(self.origin, log.number), size=log.size, root=log.root()
        )
        note = str(checkpoint.signed(self._keys.current))
        row = {"log": log.number, "size": log.size, "at": at, "note": note}
        connection.execute(insert(checkpoints).values(row))

    def hold_against(self, connection: Connection, log: Log) -> int:
        """How far the log is signed. Raises LogError where it is not what was signed last."""
        number = log.number
        last = newest(connection, number)
        size, note = (0, "") if last is None else last
        if size < joined_size(connection, number):
            raise LogError(f"log {number}: its last checkpoints were removed")
        if last is None:
            return 0
        try:
            keys = [key.verifier for key in self._keys.current]
            checkpoint = open_checkpoint(note, keys).checkpoint
        except (NoteError, TypeError) as error:
            raise LogError(f"log {number}: its last checkpoint: {error}") from None
        if (checkpoint.origin, checkpoint.size) != (log_origin(self.origin, number), size):
            raise LogError(f"log {number}: its last checkpoint is of something else")
        if size > log.size:
            raise LogError(f"log {number} was cut: it has {log.size} records, {size} are signed")
        if log.root_in(connection, size) != checkpoint.root:
            raise LogError(f"log {number}: its records are not those that were signed")
        return size


def newest(connection: Connection, log: int) -> tuple[int, str] | None:
    """Size and note of the last checkpoint of a log."""
    query = (
        select(checkpoints.c.size, checkpoints.c.note)
        .where(checkpoints.c.log == log)
        .order_by(checkpoints.c.size.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else (row.size, row.note)


def joined_size(connection: Connection, log: int) -> int:
    """The size of the last checkpoint of a log that the log of logs has; 0 where none."""
    ids = records.c.call_id
    first, last = joined_id(log, 0), joined_id(log, MAX_SEQ)
    query = select(func.max(ids)).where(ids >= first, ids <= last)  # not BETWEEN: PostgreSQL
    newest_id: str | None = connection.execute(query).scalar()
    digits = "" if newest_id is None else newest_id.partition("-")[2]
    return int(digits) if digits.isdecimal() else 0
