"""The `exports:` block of callgate.yaml: where the record goes besides, continuously."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)

from callgate.closed_client import check_place
from callgate.exports.lake import MOST_ROWS
from callgate.exports.lines import LineFormat
from callgate.protocol.standard_webhooks import read_key
from callgate.settings import Settings
from callgate.storage.blobs.settings import S3Settings

ExportName = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", min_length=1, max_length=40)
]


Url = Annotated[str, AfterValidator(check_place)]


def _or_a_text(schema: dict[str, Any]) -> None:
    """For editors: the short form, which the block itself makes whole."""
    schema["anyOf"].append({"type": "string"})


class FileSettings(Settings):
    """A file of lines, put aside when it is full."""

    directory: Path
    """Where `<name>.jsonl` lies; full ones become `<name>-1.jsonl` and so on. Deleting them is
    yours."""

    max_bytes: int = Field(default=256 << 20, ge=1 << 20)
    """When a file is full."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"directory": said} if isinstance(said, str) else said


class WebhookSettings(Settings):
    """A URL that batches are posted to: CloudEvents as a JSON array, other formats as lines."""

    url: Url
    """Where to: https, or http on this machine."""

    headers: dict[str, SecretStr] = {}
    """Headers to send, such as `Authorization`, by reference."""

    secret: SecretStr | None = None
    """Signs each request as Standard Webhooks do, by reference: `whsec_` and 24 to 64 bytes in
    base64."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"url": said} if isinstance(said, str) else said

    @field_validator("secret")
    @classmethod
    def _is_a_key(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            read_key(secret.get_secret_value())
        return secret


class OtlpSettings(Settings):
    """An OpenTelemetry collector that takes logs over HTTP (`/v1/logs`)."""

    endpoint: Url
    """Its base URL, such as `http://localhost:4318`."""

    headers: dict[str, SecretStr] = {}
    """Headers to send, by reference."""

    contents: bool = False
    """Sends arguments and results too, as far as the record has them."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"endpoint": said} if isinstance(said, str) else said


class ParquetSettings(Settings):
    """A directory of Parquet files by day. Needs `callgate[parquet]`."""

    directory: Path
    """Under it lie `date=2026-11-29/calls-….parquet`."""

    rows: int = Field(default=MOST_ROWS, ge=1, le=1_000_000)
    """How many calls a file holds at most."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"directory": said} if isinstance(said, str) else said


class ExportSettings(Settings):
    """One export: exactly one of `file`, `webhook`, `otlp`, `parquet` and `s3`."""

    KINDS: ClassVar[tuple[str, ...]] = ("file", "webhook", "otlp", "parquet", "s3")
    EVERY_SECONDS: ClassVar[dict[str, float]] = {"parquet": 600.0, "s3": 60.0}

    name: ExportName
    """What it is known by; how far it has come is kept under this name."""

    format: LineFormat = "calls"
    """`calls`, each whole; `records`, every entry and event; `ocsf`; `cloudevents`; `sep-3004`. Of
    `otlp` and `parquet` there is only one."""

    begin: Literal["oldest", "now"] = "oldest"
    """Where it begins when it first runs."""

    every_seconds: float | None = Field(default=None, gt=0, le=86_400)
    """How long it waits where there was nothing new. Where left out a second; for `s3` a minute and
    for `parquet` ten, so that files are few."""

    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """How long a request may take."""

    file: FileSettings | None = Field(default=None, json_schema_extra=_or_a_text)
    """Into a file of lines."""

    webhook: WebhookSettings | None = Field(default=None, json_schema_extra=_or_a_text)
    """To a URL."""

    otlp: OtlpSettings | None = Field(default=None, json_schema_extra=_or_a_text)
    """To an OpenTelemetry collector, as logs."""

    parquet: ParquetSettings | None = Field(default=None, json_schema_extra=_or_a_text)
    """Into Parquet files."""

    s3: S3Settings | None = None
    """Into a bucket: an object for each batch of lines. Needs `callgate[aws]`."""

    @property
    def kind(self) -> str:
        """Which of KINDS it is."""
        return next(kind for kind in self.KINDS if getattr(self, kind) is not None)

    @property
    def pause_seconds(self) -> float:
        """How long it waits where there was nothing new."""
        return self.every_seconds or self.EVERY_SECONDS.get(self.kind, 1.0)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        found = [kind for kind in self.KINDS if getattr(self, kind) is not None]
        if len(found) != 1:
            said = ", ".join(f"`{kind}`" for kind in self.KINDS)
            raise ValueError(f"needs exactly one of {said}")
        if found[0] in ("otlp", "parquet") and self.format != "calls":
            raise ValueError(f"`{found[0]}` has a form of its own; leave `format` out")
        return self
