"""Checkpoints of logs (C2SP tlog-checkpoint): how large a log is, and its root, signed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import suppress

from callgate.audit.keys import SigningKey, VerifierKey, is_name
from callgate.audit.merkle import HASH_BYTES
from callgate.audit.notes import Note, NoteError, sign
from callgate.audit.place import MAX_LOG
from callgate.audit.spelling import read_number, strict_base64
from callgate.model import Value

MAX_ORIGIN_CHARACTERS = 200


class Checkpoint(Value):
    """What a log says of itself at one size."""

    origin: str  # which log, among all that there are
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()  # lines of others that say nothing to us

    @classmethod
    def read(cls, text: str) -> Checkpoint:
        """Of the text of a note. Raises NoteError."""
        if not text.endswith("\n"):
            raise NoteError("the last line of the checkpoint does not end")
        lines = text[:-1].split("\n")
        if len(lines) < 3 or not all(lines):
            raise NoteError("a checkpoint has three lines or more, none of them empty")
        origin, number, root, *extensions = lines
        size = read_number(number)
        if size is None:
            raise NoteError("the second line of the checkpoint is no size of a log")
        try:
            decoded = strict_base64(root)
        except ValueError as error:
            raise NoteError(f"the third line of the checkpoint: {error}") from None
        if len(decoded) != HASH_BYTES:
            raise NoteError("the third line of the checkpoint is no SHA-256")
        return cls(origin=origin, size=size, root=decoded, extensions=tuple(extensions))

    @property
    def text(self) -> str:
        """The text to sign."""
        root = base64.b64encode(self.root).decode()
        return "".join(f"{line}\n" for line in (self.origin, self.size, root, *self.extensions))

    def signed(self, keys: Iterable[SigningKey]) -> Note:
        """The checkpoint as a note."""
        return sign(self.text, keys)


class SignedCheckpoint(Value):
    """A checkpoint, the note that it stands in, and which of the keys asked for signed it."""

    checkpoint: Checkpoint
    note: Note
    signers: dict[VerifierKey, int | None]  # for witnesses: when they saw it


def read_checkpoint(raw: str | bytes) -> tuple[Checkpoint, Note]:
    """What stands there, by whomever it is signed. Raises NoteError."""
    note = Note.parse(raw)
    return Checkpoint.read(note.text), note


def whole_checkpoints(notes: Iterable[str]) -> Iterator[tuple[str, Checkpoint]]:
    """Those that can be read, each with its note: a crash may have left something else between."""
    for note in notes:
        with suppress(NoteError):
            yield note, read_checkpoint(note)[0]


def open_checkpoint(
    raw: str | bytes, keys: Iterable[VerifierKey], witnesses: Iterable[VerifierKey] = ()
) -> SignedCheckpoint:
    """The checkpoint, signed by one of `keys` at least. Raises NoteError."""
    checkpoint, note = read_checkpoint(raw)
    known = tuple(keys)
    signers = note.signed_by((*known, *witnesses))
    if signers.keys().isdisjoint(known):
        raise NoteError(f"the checkpoint of {checkpoint.origin} is signed by no key that is known")
    return SignedCheckpoint(checkpoint=checkpoint, note=note, signers=signers)


def is_origin(origin: str) -> bool:
    """Whether a store may have this origin: the name of its key, and the beginning of its logs'."""
    return is_name(origin) and len(origin) <= MAX_ORIGIN_CHARACTERS and not origin.endswith("/")


def log_origin(origin: str, log: int) -> str:
    """The origin of one log of a store."""
    return f"{origin}/{log}"


def log_of(origin: str, checkpointed: str) -> int | None:
    """Which log of this store a checkpoint is of; None: of another store's."""
    store, _, number = checkpointed.rpartition("/")
    log = read_number(number)
    return None if store != origin or log is None or log > MAX_LOG else log
