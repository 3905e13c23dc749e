"""What an export is made of: where records come from, where they go, how far it has come."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Protocol

from callgate.audit.questions import ExportCursor
from callgate.model import Json, Value

Of = Literal["calls", "records"]


class Batch(Value):
    """Some records, in order of each log, said in the export's format."""

    records: tuple[dict[str, Json], ...]  # as they were read
    said: tuple[Json, ...]
    lines: tuple[bytes, ...]  # the same, one JSON text a line
    upto: ExportCursor  # once they are taken

    def halves(self) -> tuple[Batch, ...]:
        """In two, for a destination that takes less at once; the cursor moves after both."""
        middle = len(self.said) // 2
        return tuple(
            Batch(
                records=self.records[part], said=self.said[part], lines=self.lines[part],
                upto=self.upto,
            )
            for part in (slice(None, middle), slice(middle, None))
        )  # fmt: skip


class DestinationError(Exception):
    """The batch may not have been taken: it is sent again. The message says why, not what."""

    def __init__(self, reason: str, *, is_too_large: bool = False) -> None:
        super().__init__(reason)
        self.is_too_large = is_too_large  # half of it may be taken


class Destination(Protocol):
    """Where an export goes. One caller at a time."""

    @property
    def most(self) -> int:
        """How many records it takes at once."""

    async def send(self, batch: Batch) -> None:
        """Returns when the batch is where it belongs, for good. Raises DestinationError."""

    async def close(self) -> None:
        """Gives up connections and files. Raises nothing."""


class HeldCursor(Protocol):
    """A cursor that nobody else moves meanwhile. Blocking, for one thread. Raises StoreError."""

    def load(self) -> ExportCursor | None:
        """None where the export has never sent anything."""

    def save(self, cursor: ExportCursor) -> None:
        """Returns when it is durable."""


class Cursors(Protocol):
    """Where cursors are kept."""

    def hold(self, name: str) -> AbstractContextManager[HeldCursor | None]:
        """None while another process has it. Raises StoreError."""
