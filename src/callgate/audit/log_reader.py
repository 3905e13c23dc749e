"""What proving needs of a record, wherever it is kept: its logs, exactly as they lie there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from callgate.audit.tiles import Hashes, Tile


class Kept(NamedTuple):
    """One record as it is kept: after tampering every field may be anything.

    INVARIANT: in the order of `storage.schema.records`, so that a driver's row becomes one.
    """

    position: Any  # audit.place
    kind: Any
    call_id: Any
    at: Any
    run: Any
    principal: Any
    agent: Any
    target: Any
    tool: Any
    code: Any
    ran: Any
    is_delivered: Any  # as the driver has it: a bool, 0 or 1
    hash: Any
    body: Any  # bytes, or text whose bytes they are (surrogateescape); None: erased
    payload: Any  # the same; None: there is none, it is in the blob store, or erased


class KeptCheckpoint(NamedTuple):
    """One row of what was signed, as it is kept."""

    log: Any
    size: Any
    at: Any
    note: Any


class LogReader(Protocol):
    """One store as it was at one moment, for one thread. What is asked raises StoreError.

    Close it when done: until then it may hold a snapshot of the database.
    """

    place: str  # for messages, without secrets
    origin: str
    has_columns: bool  # whether the index columns are kept too; False in an export
    has_payloads: bool  # whether payloads, blobs too, can be read here

    def logs(self) -> Sequence[int]:
        """Every log of which anything is kept, in whatever table, in order."""

    def size(self, log: int) -> int:
        """One more than the highest seq that is kept of the log; 0 where none is."""

    def records(
        self, log: int, first: int = 0, last: int | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The fields of `Kept`, in order of position, from seq `first` to before `last`.

        Plain tuples will do: there are millions.
        """

    def checkpoints(self, log: int, largest: int | None = None) -> Iterator[KeptCheckpoint]:
        """In order of size; with `largest`: only those of the so many largest sizes."""

    def tiles(self, log: int) -> Iterator[Tile]:
        """Every tile that is kept of the log, in order of level and number."""

    def hashes(self, log: int) -> Hashes:
        """For proofs: kept tiles, and on level 0 the records' own hashes where there is none."""

    def entries(self, call_id: str) -> Sequence[tuple[Any, ...]]:
        """What is kept under this id, in order of position, as `records` has it."""

    def blob(self, sha256: str) -> bytes | None:
        """A payload that is kept apart, by its digest; None: it is not there."""

    def close(self) -> None:
        """Gives up what it holds. Raises nothing."""
