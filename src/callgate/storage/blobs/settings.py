"""The `blobs:` block of `store:`: where payloads go that are too large for the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints, field_validator, model_validator

from callgate.aws_signing import CredentialSettings
from callgate.closed_client import check_place
from callgate.settings import Settings


class BucketSettings(Settings):
    """Which bucket, and where."""

    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    """The bucket. It must exist."""

    endpoint: str | None = None
    """Where the API is, if not at AWS itself: `https://minio.example.com:9000`. https, or http on
    this machine."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    """The region; `AWS_REGION` where left out, else us-east-1."""

    prefix: Annotated[str, StringConstraints(pattern=r"^([A-Za-z0-9_-][A-Za-z0-9_.-]*/)*$")] = ""
    """What the names of all objects begin with, such as `callgate/payloads/`."""

    addressing: Literal["virtual", "path"] | None = None
    """Whether the bucket is named in the host or in the path. In the host at AWS, in the path at
    any other endpoint, where left out."""

    @field_validator("endpoint")
    @classmethod
    def _is_private(cls, endpoint: str | None) -> str | None:
        if endpoint is None:
            return None
        check_place(endpoint)
        parts = urlsplit(endpoint)
        if parts.query or parts.path.strip("/"):
            raise ValueError("must be no more than scheme, host and port")
        return endpoint.rstrip("/")


# The bucket is the last base so that it is documented first.
class S3Settings(CredentialSettings, BucketSettings):
    """A bucket at AWS, or at anything else that speaks S3. Needs `callgate[aws]`."""


class BlobSettings(Settings):
    """Where payloads are kept that are too large for the database."""

    path: Path | None = None
    """A directory. Where nothing is said: beside the record's file, with `-blobs` added to its
    name; with `store.url`, in the database after all."""

    s3: S3Settings | None = None
    """A bucket instead of a directory: for replicas, and for records that outlive a machine."""

    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    """How long it may take to keep one payload; after that the call is refused."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.path is not None and self.s3 is not None:
            raise ValueError("name either `path` or `s3`")
        return self
