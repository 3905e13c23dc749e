"""The `witness:` block of `listeners.control:`: whose records this gateway countersigns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from callgate.audit.checkpoints import MAX_ORIGIN_CHARACTERS
from callgate.audit.keys import NOTE, VerifierKey
from callgate.settings import Settings


def _of_a_log(text: str) -> str:
    if VerifierKey.parse(text).algorithm != NOTE:
        raise ValueError("is the key of a witness; that of a record has type 1")
    return text


class WatchedSettings(Settings):
    """One log that is countersigned."""

    origin: Annotated[str, Field(min_length=1, max_length=MAX_ORIGIN_CHARACTERS + 8)]
    """What its checkpoints begin with. Of another Callgate: its log of logs, `<origin>/0`, which
    `callgate audit checkpoint` prints there."""

    keys: Annotated[tuple[Annotated[str, AfterValidator(_of_a_log)], ...], Field(min_length=1)]
    """Its public keys, as `callgate audit key` prints them there."""


class ActingSettings(Settings):
    """Has this gateway be a witness for others, at `/add-checkpoint` (C2SP tlog-witness)."""

    key: SecretStr | None = None
    """The key that countersigns, by reference. Made by `callgate audit key new NAME --witness`."""

    key_file: Path | None = None
    """The file that it lies in, instead."""

    state: Path = Path("callgate-witness.db")
    """The SQLite file that keeps the newest checkpoint of each log. Whoever takes it away makes the
    witness forget, and with it all that it is for."""

    logs: Annotated[tuple[WatchedSettings, ...], Field(min_length=1)]
    """The logs that are countersigned; no others."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.key is None) is (self.key_file is None):
            raise ValueError("name either `key`, by reference, or `key_file`")
        origins = [log.origin for log in self.logs]
        for origin in origins:
            if origins.count(origin) > 1:
                raise ValueError(f"two logs have the origin {origin}; put their keys together")
        return self
