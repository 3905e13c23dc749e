"""The `grpc:` block of an interceptor: where the server is, and what is spoken with it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from callgate.protocol.origins import is_loopback
from callgate.settings import Settings

MetadataKey = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_.-]+$")]
MAX_MESSAGE_BYTES = 64 << 20
_ADDRESS = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


class GrpcSettings(Settings):
    """A server that is asked over gRPC. Needs `callgate[grpc]`."""

    address: str
    """`host:port`, or `unix:/path` of a socket."""

    protocol: Literal["ext_authz", "ext_mcp"]
    """What it speaks: `ext_authz`, Envoy's external authorization, which sees requests; or
    `ext_mcp`, agentgateway's ExtMcp, which also sees results and lists, and may change them."""

    tls: bool | None = None
    """Whether the connection is encrypted. Where left out: yes, but not on this machine. Plain text
    is for this machine only."""

    certificate: Path | None = None
    """Mutual TLS: the certificate that the gateway shows, in PEM, with what leads to its root.
    Relative to callgate.yaml, as the others are."""

    key: Path | None = None
    """The key of `certificate`, in PEM, without a password."""

    authority: Path | None = None
    """Certificates in PEM that are trusted, instead of the usual ones."""

    metadata: dict[MetadataKey, SecretStr] = {}
    """Metadata sent with every call, such as `authorization: Bearer ${env:TOKEN}`."""

    max_request_bytes: int = Field(default=4 << 20, ge=1024, le=MAX_MESSAGE_BYTES)
    """The largest message that is sent; a larger one is a failure."""

    max_response_bytes: int = Field(default=4 << 20, ge=1024, le=MAX_MESSAGE_BYTES)
    """The largest answer that is taken."""

    facts: frozenset[str] = frozenset()
    """Members of the metadata that it answers with, which become facts for policy; each is also
    declared under `enriches` of the interceptor."""

    labels: str | None = None
    """The member of that metadata, a text or a list of texts, that labels the call."""

    omit: frozenset[Literal["claims"]] = frozenset()
    """What the server is not told: the claims of the principal."""

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        if self.address.startswith("unix:"):
            return True
        host = self.address.rpartition(":")[0].strip("[]")
        return is_loopback(host)

    @property
    def is_secure(self) -> bool:
        """Whether the connection is encrypted."""
        if self.tls is None:
            return not self.is_local or self.authority is not None or self.certificate is not None
        return self.tls

    def placed(self, directory: Path) -> Self:
        """With its files as they stand beside callgate.yaml."""
        files = {name: getattr(self, name) for name in ("certificate", "key", "authority")}
        return self.model_copy(
            update={name: directory / file for name, file in files.items() if file is not None}
        )

    @field_validator("address")
    @classmethod
    def _check_address(cls, address: str) -> str:
        if re.fullmatch(r"unix:[\x21-\x7e]+", address):
            return address
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match[2]) < 65536:
            raise ValueError("must be `host:port` or `unix:/path`, without a scheme")
        return address

    @field_validator("metadata")
    @classmethod
    def _check_metadata(cls, metadata: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in metadata.items():
            text = value.get_secret_value()
            if name.startswith("grpc-") or name.endswith("-bin"):
                raise ValueError(f"{name} cannot be set here; remove it")
            if not text.isascii() or not text.isprintable() or text != text.strip():
                raise ValueError(f"the value of {name} must be printable ASCII")
        return metadata

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) is not (self.key is None):
            raise ValueError("`certificate` and `key` go together")
        if not self.is_secure and not self.is_local:
            raise ValueError("`tls: false` is for this machine only")
        if not self.is_secure and (self.certificate or self.authority):
            raise ValueError("`certificate` and `authority` need `tls`")
        if self.labels in self.facts:
            raise ValueError("a member of the metadata is either facts or labels")
        return self
