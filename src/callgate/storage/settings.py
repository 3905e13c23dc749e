"""The `store:` block of callgate.yaml: where the record is kept, and how safely."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from callgate.settings import Settings


class StoreSettings(Settings):
    """Where the record is kept, and how safely."""

    path: Path = Path("callgate.db")
    """The SQLite file. It is created, readable by its owner only. Relative to callgate.yaml."""

    synchronous: Literal["full", "normal"] = "full"
    """`full`: no executed call is without its record, even after power loss; how the last calls
    ended may then be lost, and is marked so. `normal`: that holds for the death of the gateway."""

    mask: tuple[str, ...] = ()
    """Arguments that never reach the record, as dotted paths: `password`, `card.number`,
    `items.*.secret`; `*` stands for any key or any item."""

    busy_timeout_seconds: float = Field(default=5.0, gt=0)
    """How long to wait while another process writes to the file; after that the call is refused."""

    @field_validator("mask")
    @classmethod
    def _has_whole_paths(cls, mask: tuple[str, ...]) -> tuple[str, ...]:
        for path in mask:
            if not all(path.split(".")):
                raise ValueError(
                    f"{path!r} is not a path: write keys with single dots between them"
                )
        return mask
