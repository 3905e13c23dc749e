"""Shows the newest checkpoint to every witness, in the background, until each has seen it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from callgate.audit.checkpoints import Checkpoint, read_checkpoint
from callgate.audit.notes import Note, NoteError, Signature
from callgate.model import Value
from callgate.ports import StoreError
from callgate.witnesses.witness import Disputed, LogOfLogs, Shown, Witness, WitnessError

MOST_SECONDS = 300.0  # between two attempts while a witness does not answer

_log = logging.getLogger("callgate.witnesses")


class WitnessStatus(Value):
    """How far one witness is."""

    name: str
    seen: int | None = None  # the size that it has, as far as this process knows
    behind: int = 0  # entries of the log of logs that it has not seen
    fault: str | None = None  # why the last attempt came to nothing
    is_disputed: bool = False  # it has seen what contradicts the record


class Witnessing:
    """One loop for each witness: one that is down or slow holds up no other, and no call.

    A witness that missed checkpoints is shown the newest: that covers those before it.
    """

    def __init__(
        self, log: LogOfLogs, witnesses: Sequence[Witness], *, every_seconds: float
    ) -> None:
        self._log = log
        self._witnesses = tuple(witnesses)
        self._every_seconds = every_seconds
        self._size = 0  # of the newest checkpoint that was seen here
        self._status = {one.name: WitnessStatus(name=one.name) for one in witnesses}
        self._adding = asyncio.Lock()

    @property
    def status(self) -> tuple[WitnessStatus, ...]:
        """How far each is; for the metrics and the log."""
        return tuple(
            WitnessStatus(
                name=one.name,
                seen=one.seen,
                behind=max(0, self._size - (one.seen or 0)),
                fault=one.fault,
                is_disputed=one.is_disputed,
            )
            for one in self._status.values()
        )

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for witness in self._witnesses:
                group.create_task(self._tend(witness))

    async def close(self) -> None:
        """Shows what is new once more, to each that answers, and ends connections."""
        await asyncio.gather(*(self.once(witness) for witness in self._witnesses))
        await asyncio.gather(*(witness.close() for witness in self._witnesses))

    async def once(self, witness: Witness) -> bool:
        """Whether it has the newest checkpoint now. Raises nothing but cancellation."""
        before = self._status[witness.name]
        try:
            seen = await self._show(witness, before.seen)
        except Exception as error:  # noqa: BLE001 - a witness never harms what it watches
            self._failed(witness, before, error)
            return False
        if before.fault is not None:
            _log.info("the witness %s has seen %d entries, and answers again", witness.name, seen)
        self._status[witness.name] = WitnessStatus(name=witness.name, seen=seen)
        return True

    async def _tend(self, witness: Witness) -> None:
        seconds = self._every_seconds
        while True:
            is_well = await self.once(witness)
            longest = max(MOST_SECONDS, self._every_seconds)
            seconds = self._every_seconds if is_well else min(2 * seconds, longest)
            await asyncio.sleep(seconds)

    async def _show(self, witness: Witness, seen: int | None) -> int:
        """The size that it has then."""
        raw = await asyncio.to_thread(self._log.newest)
        if raw is None:
            return seen or 0
        checkpoint, note = read_checkpoint(raw)
        self._size = max(self._size, checkpoint.size)
        if checkpoint.size == seen or _has_signed(witness, note):
            return checkpoint.size

        def proof(size: int) -> Sequence[bytes]:
            return self._log.proof(size, checkpoint.size)

        signatures = await witness.show(Shown(checkpoint=checkpoint, note=raw, proof=proof))
        await self._keep(checkpoint, signatures)
        return checkpoint.size

    async def _keep(self, checkpoint: Checkpoint, signatures: tuple[Signature, ...]) -> None:
        if signatures:
            async with self._adding:  # one after the other: they all write to one row
                await asyncio.to_thread(self._log.add, checkpoint.size, signatures)

    def _failed(self, witness: Witness, before: WitnessStatus, error: Exception) -> None:
        known = isinstance(error, (WitnessError, StoreError, NoteError))
        fault = str(error) if known else f"{type(error).__name__}: {error}"
        is_disputed = isinstance(error, Disputed)
        if fault != before.fault:  # once, not each time
            say = _log.error if is_disputed or not known else _log.warning
            say("the witness %s: %s", witness.name, fault, exc_info=None if known else error)
        self._status[witness.name] = WitnessStatus(
            name=witness.name, seen=before.seen, fault=fault, is_disputed=is_disputed
        )


def _has_signed(witness: Witness, note: Note) -> bool:
    """Whether another gateway has shown it the same checkpoint already."""
    if witness.key is None:
        return False
    try:
        return witness.key in note.signed_by([witness.key])
    except NoteError:
        return False
