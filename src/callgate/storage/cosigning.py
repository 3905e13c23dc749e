"""Adds what witnesses say of a checkpoint to the note that is kept of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select, update

from callgate.audit.notes import Note, NoteError, Signature
from callgate.ports import StoreError
from callgate.storage.databases import alone_in, database_of
from callgate.storage.schema import checkpoints
from callgate.storage.settings import StoreSettings


def add_cosignatures(
    settings: StoreSettings, log: int, size: int, signatures: Sequence[Signature]
) -> None:
    """Each once, whoever else adds some. Raises StoreError, also where there is no such note."""
    database = database_of(settings)
    at = (checkpoints.c.log == log, checkpoints.c.size == size)
    try:
        with alone_in(database) as connection:
            kept = connection.execute(select(checkpoints.c.note).where(*at)).scalar()
            if kept is None:
                raise StoreError(f"{database.place} has no checkpoint of log {log} at {size}")
            note = str(Note.parse(kept).with_signatures(signatures))
            connection.execute(update(checkpoints).where(*at).values(note=note))
    except NoteError as error:
        raise StoreError(f"the checkpoint of log {log} at {size} is no note: {error}") from error
