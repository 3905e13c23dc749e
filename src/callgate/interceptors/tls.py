"""Connections that prove who they are and trust whom they are told to, for interceptors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from callgate.closed_client import closed_client
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.pem import certificates, content
from callgate.model import Value

if TYPE_CHECKING:
    from pyreqwest.client import ClientBuilder


class Tls(Value):
    """Files in PEM: how this side proves who it is, and whom it trusts besides the usual."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None

    def client(self, url: str, timeout_seconds: float) -> ClientBuilder:
        """A closed client with them. Raises InterceptorError where a file cannot be used."""
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see closed_client

        builder = closed_client(url, timeout_seconds)
        if self.authority is not None:
            builder = builder.add_root_certificate_pem(certificates(self.authority))
        if self.certificate is not None and self.key is not None:
            identity = certificates(self.certificate) + b"\n" + content(self.key)
            try:
                builder = builder.identity_pem(identity)
            except (ValueError, PyreqwestError) as error:
                problem = f"{self.certificate} and {self.key} are no certificate with its key"
                raise InterceptorError(f"{problem} in PEM: {error}") from None
        return builder
