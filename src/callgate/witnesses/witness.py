"""What every witness does: it is shown a checkpoint, keeps it, and may sign that it saw it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from callgate.audit.checkpoints import Checkpoint
from callgate.audit.keys import VerifierKey
from callgate.audit.notes import Note, NoteError, Signature, read_signatures
from callgate.model import Value


class WitnessError(Exception):
    """The witness did not take the checkpoint; the message says why. It is shown again later."""


class Disputed(WitnessError):  # noqa: N818 - says what is so
    """The witness has seen what contradicts the checkpoint: the record was cut, or replaced."""


class Shown(Value):
    """A checkpoint of the log of logs, to be seen by somebody else."""

    checkpoint: Checkpoint
    note: str  # as signed
    proof: Callable[[int], Sequence[bytes]]  # from a smaller size; blocking; raises StoreError


class Witness(Protocol):
    """Somebody, or some place, that is not under the power of whoever can write the record."""

    @property
    def name(self) -> str:
        """As in the configuration."""

    @property
    def key(self) -> VerifierKey | None:
        """What its cosignatures are held against; None where it makes none."""

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        """Returns when it has the checkpoint, with its cosignatures. Raises WitnessError.

        Whatever is returned is verified. Being shown the same one again does no harm.
        """

    async def close(self) -> None:
        """Ends connections. Raises nothing."""


class LogOfLogs(Protocol):
    """The record, as those see it who show it to witnesses. Blocking; raises StoreError."""

    def newest(self) -> str | None:
        """The newest checkpoint of the log of logs, a note; None where there is none yet."""

    def proof(self, size: int, newer: int) -> Sequence[bytes]:
        """That the log at one size goes on from a smaller one."""

    def add(self, size: int, signatures: Sequence[Signature]) -> None:
        """Keeps cosignatures with the checkpoint of this size."""


def cosignatures(raw: bytes, shown: Shown, key: VerifierKey) -> tuple[Signature, ...]:
    """The lines of an answer that the key made for this checkpoint. Raises WitnessError.

    Lines of other keys say nothing to us and are not kept.
    """
    try:
        note = Note.parse(shown.note)
        found = tuple(one for one in read_signatures(raw) if one.is_of(key))
        signers = Note(text=note.text, signatures=found).signed_by([key])
    except NoteError as error:
        raise WitnessError(f"its answer cannot be believed: {error}") from None
    if not signers:
        raise WitnessError(f"its answer has no cosignature of {key.text}")
    return found
