"""Posts to one server, for interceptors that ask elsewhere: bounded, without redirects, pooled."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from callgate.closed_client import (
    TooLongError,
    check_place,
    closed_client,
    read_at_most,
)
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.pem import certificates, content
from callgate.model import Value

if TYPE_CHECKING:
    from pyreqwest.client import Client, ClientBuilder
    from pyreqwest.exceptions import PyreqwestError


class PostError(Exception):
    """There was no whole answer; the message says why."""


class Answer(Value):
    """What came back, whatever the status."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Tls(Value):
    """Files in PEM: how this side proves who it is, and whom it trusts besides the usual."""

    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None


class Poster:
    """Connections to one server. A redirect is an answer like any other: nobody follows it."""

    def __init__(
        self, url: str, *, timeout_seconds: float, max_bytes: int, tls: Tls | None = None
    ) -> None:
        self._url = url
        self._place = url.partition("?")[0]  # a query may hold a secret: no message repeats it
        self._max_bytes = max_bytes
        self._builder = _builder(url, timeout_seconds, tls or Tls())
        self._client: Client | None = None

    async def post(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """One POST, once. Server down, slow or talking too much: PostError."""
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see closed_client

        if self._client is None:
            self._client = self._builder.build()
        try:
            request = self._client.post(self._url).headers(dict(headers)).body_bytes(body)
            async with request.build_streamed() as response:
                said = {name.lower(): value for name, value in response.headers.items()}
                content = await read_at_most(response.body_reader, self._max_bytes)
                return Answer(status=response.status, headers=said, body=content)
        except TimeoutError:
            raise TimeoutError(f"{self._place} did not answer in time") from None
        except TooLongError:
            raise PostError(f"{self._place} answered more than {self._max_bytes} bytes") from None
        except PyreqwestError as error:
            cause = _cause(error).replace(self._url, self._place)
            raise PostError(f"{self._place} cannot be used: {cause}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def checked_url(url: str) -> str:
    """The URL, if what is posted to it can be read by nobody else. Raises ValueError."""
    check_place(url)
    if not url.isascii() or any(ord(character) <= 0x20 for character in url):
        raise ValueError("must be ASCII without spaces; write hosts in punycode")
    return url


def _builder(url: str, timeout_seconds: float, tls: Tls) -> ClientBuilder:
    from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see closed_client

    builder = closed_client(url, timeout_seconds)
    if tls.authority is not None:
        builder = builder.add_root_certificate_pem(certificates(tls.authority))
    if tls.certificate is not None and tls.key is not None:
        identity = certificates(tls.certificate) + b"\n" + content(tls.key)
        try:
            builder = builder.identity_pem(identity)
        except (ValueError, PyreqwestError) as error:
            problem = f"{tls.certificate} and {tls.key} are no certificate with its key in PEM"
            raise InterceptorError(f"{problem}: {error}") from None
    return builder


def _cause(error: PyreqwestError) -> str:
    details = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None
    return str(causes[-1]["message"]) if causes else error.message
