"""The `store:` block of callgate.yaml: where the record is kept, and how safely."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from callgate.audit.checkpoints import is_origin
from callgate.audit.keys import SigningKey, key_lines
from callgate.settings import Settings
from callgate.storage.blobs.settings import BlobSettings
from callgate.storage.postgres_url import problem_with, shown
from callgate.storage.retention.settings import RetentionRule


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

    mask_results: tuple[str, ...] = ()
    """The same for results: paths in `structuredContent`, in the data of errors, and in texts that
    are JSON themselves."""

    results: Literal["full", "digest"] = "full"
    """`full`: results are recorded as delivered. `digest`: only their SHA-256 and size."""

    results_except: tuple[str, ...] = ()
    """Targets of which the opposite of `results` holds."""

    inline_bytes: int = Field(default=16_384, ge=0)
    """Arguments and results of up to so many bytes lie in the database, larger ones in `blobs`."""

    blobs: BlobSettings = BlobSettings()
    """Where arguments and results are kept that are too large for the database."""

    retention: tuple[RetentionRule, ...] = ()
    """How long what is kept; of several rules the first that fits decides. Without any,
    everything is kept. What a legal hold covers is never erased."""

    busy_timeout_seconds: float = Field(default=5.0, gt=0)
    """How long to wait while another process writes to the same place; after that the call is
    refused."""

    url: str | None = Field(default=None, repr=False)  # may hold a password
    """A PostgreSQL database instead of the file:
    `postgresql://callgate@db.example.com/callgate?sslmode=verify-full`. The password comes by
    reference, `PGPASSWORD` or `~/.pgpass`."""

    connect_timeout_seconds: float = Field(default=5.0, gt=0)
    """How long PostgreSQL may take to let this gateway in."""

    statement_timeout_seconds: float = Field(default=10.0, gt=0)
    """How long PostgreSQL may take for one statement; after that the call is refused."""

    origin: str | None = None
    """The name under which this record is known to those who verify it, such as
    `records.example.com/gateway`. Set once, when the record is begun; a random one where left
    out."""

    signing_key: str | None = Field(default=None, repr=False)
    """The key that signs the record, by reference: `${env:CALLGATE_SIGNING_KEY}`. Several, one a
    line, all sign."""

    signing_key_file: Path | None = None
    """Where the key lies otherwise; where left out, beside the file of the record, with `-key`
    added to its name. Made at the first start, readable by its owner only."""

    checkpoint_seconds: float = Field(default=1.0, gt=0, le=3600)
    """How often, at most, the state of the record is signed."""

    @property
    def place(self) -> str:
        """For messages, without secrets."""
        return str(self.path) if self.url is None else shown(self.url)

    @property
    def key_file(self) -> Path:
        """Where the signing key lies where it is not given itself."""
        return self.signing_key_file or self.beside("-key")

    def beside(self, suffix: str) -> Path:
        """A file that belongs to the record; with `url`, beside where the file would be."""
        return self.path.with_name(self.path.name + suffix)

    @field_validator("url")
    @classmethod
    def _is_postgresql(cls, url: str | None) -> str | None:
        problem = None if url is None else problem_with(url)
        if problem is not None:
            raise ValueError(problem)
        return url

    @field_validator("origin")
    @classmethod
    def _is_an_origin(cls, origin: str | None) -> str | None:
        if origin is not None and not is_origin(origin):
            raise ValueError(
                f"{origin!r} is no origin: write it like a URL without its scheme, "
                "such as records.example.com/gateway, without spaces or `+`"
            )
        return origin

    @field_validator("signing_key")
    @classmethod
    def _is_a_key(cls, key: str | None) -> str | None:
        for line in key_lines(key or ""):
            SigningKey.parse(line)  # its errors do not show the key
        return key

    @field_validator("mask", "mask_results")
    @classmethod
    def _has_whole_paths(cls, mask: tuple[str, ...]) -> tuple[str, ...]:
        for path in mask:
            if not all(path.split(".")):
                raise ValueError(
                    f"{path!r} is not a path: write keys with single dots between them"
                )
        return mask
