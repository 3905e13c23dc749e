"""The `witnesses:` block with every kind of witness: those of `witnesses/`, and buckets."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from callgate.settings import Settings
from callgate.storage.blobs.settings import S3Settings
from callgate.witnesses.settings import WitnessesSettings as Plain
from callgate.witnesses.settings import WitnessSettings as PlainWitness


class LockSettings(Settings):
    """Object Lock, which the bucket must have been made with."""

    mode: Literal["compliance", "governance"] = "compliance"
    """`compliance`: nobody can delete the checkpoint before its time. `governance`: whoever has a
    special permission can."""

    days: int = Field(ge=1, le=36_500)
    """For how long."""


class S3WitnessSettings(S3Settings):
    """A bucket in which each checkpoint becomes an object. Needs `callgate[aws]`."""

    lock: LockSettings | None = None
    """Locks each object, so that not even its owner can delete it."""


class WitnessSettings(PlainWitness):
    """One witness: exactly one of `file`, `webhook`, `tlog` and `s3`."""

    KINDS: ClassVar[tuple[str, ...]] = (*PlainWitness.KINDS, "s3")

    s3: S3WitnessSettings | None = None
    """A bucket: under `<origin>/<size>.txt`, one object for each checkpoint."""


class WitnessesSettings(Plain):
    """Who keeps how far the record has come. Calls never wait for them."""

    show_to: Annotated[tuple[WitnessSettings, ...], Field(max_length=32)] = ()
    """Each is shown the newest checkpoint of the log of logs, which covers all other logs."""

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        self.differ([witness.name for witness in self.show_to])
        with_key = [witness for witness in self.show_to if witness.key is not None]
        if self.quorum is not None and self.quorum > len(with_key):
            raise ValueError(f"`quorum` is {self.quorum}, but {len(with_key)} witnesses have a key")
        return self
