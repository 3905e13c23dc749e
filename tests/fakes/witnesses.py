"""A log of logs in memory, what is shown of it, and a witness that does as it is told."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.audit.checkpoints import read_checkpoint
from callgate.audit.keys import COSIGNATURE, SigningKey, VerifierKey
from callgate.audit.notes import Note, Signature, witnessed
from callgate.audit.tiles import Tree
from callgate.ports import StoreError
from callgate.witnesses.witness import Shown, WitnessError
from fakes.record import FakeRecord
from fakes.tampering import calls

WITNESS = SigningKey("witness.example/w1", bytes(range(32)), COSIGNATURE)
AT = 1_700_000_000


class FakeLogOfLogs:
    """Implements LogOfLogs, of a record that grows when a test says so."""

    def __init__(self, record: FakeRecord | None = None) -> None:
        self.record = record or FakeRecord()
        self.calls = 0
        self.fault: str | None = None

    def grow(self, times: int = 1) -> None:
        for _ in range(times):
            self.record.append(1, *calls(self.calls, self.calls + 1))
            self.calls += 1
            self.record.join(1)

    def newest(self) -> str | None:
        if self.fault is not None:
            raise StoreError(self.fault)
        return next((kept.note for kept in self.record.checkpoints(0, 1)), None)

    def proof(self, size: int, newer: int) -> Sequence[bytes]:
        return Tree(self.record.hashes(0), newer).consistency(size)

    def add(self, size: int, signatures: Sequence[Signature]) -> None:
        note = Note.parse(self.record.notes[0, size])
        self.record.notes[0, size] = str(note.with_signatures(signatures))

    def shown(self) -> Shown:
        raw = self.newest()
        assert raw is not None
        checkpoint, _ = read_checkpoint(raw)
        return Shown(
            checkpoint=checkpoint, note=raw, proof=lambda size: self.proof(size, checkpoint.size)
        )


class FakeWitness:
    """Implements Witness; `faults` are raised first, one each time."""

    def __init__(self, name: str = "w1", key: SigningKey | None = None) -> None:
        self.name = name
        self.signing = key
        self.seen: list[int] = []
        self.faults: list[Exception] = []
        self.is_closed = False

    @property
    def key(self) -> VerifierKey | None:
        return None if self.signing is None else self.signing.verifier

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        if self.faults:
            raise self.faults.pop(0)
        self.seen.append(shown.checkpoint.size)
        if self.signing is None:
            return ()
        return (witnessed(shown.checkpoint.text, self.signing, AT),)

    async def close(self) -> None:
        self.is_closed = True


def is_down() -> WitnessError:
    return WitnessError("it cannot be reached")
