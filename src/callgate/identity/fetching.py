"""Fetches what issuers publish: small documents, over HTTPS, no redirects, within a deadline."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pyreqwest.client import Client
    from pyreqwest.exceptions import PyreqwestError

Fetch = Callable[[str], Awaitable[tuple[int, bytes]]]
"""URL → (HTTP status, body). Raises FetchError where there is no whole answer."""

MAX_BODY_BYTES = 1 << 20
TIMEOUT_SECONDS = 5.0  # from the first byte out to the last byte in


class FetchError(Exception):
    """No whole answer: unreachable, too slow, too large, or not a URL to fetch from."""


class HttpFetch:
    """`Fetch` over HTTP. A redirect is an answer like any other: nobody follows it."""

    def __init__(
        self, *, timeout_seconds: float = TIMEOUT_SECONDS, max_body_bytes: int = MAX_BODY_BYTES
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._max_body_bytes = max_body_bytes
        self._client: Client | None = None

    async def __call__(self, url: str) -> tuple[int, bytes]:
        """One GET. Issuer down, slow or talking too much: FetchError, never a partial body."""
        from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - 9 MB, where issuers are asked
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415

        require_fetchable(url)
        if self._client is None:
            self._client = (
                ClientBuilder()
                .follow_redirects(False)
                .timeout(timedelta(seconds=self._timeout_seconds))
                .user_agent("callgate")
                .build()
            )
        try:
            async with self._client.get(url).build_streamed() as response:
                body = bytearray()
                while (chunk := await response.body_reader.read_chunk()) is not None:
                    body += memoryview(chunk)
                    if len(body) > self._max_body_bytes:
                        raise FetchError(f"{url} sent more than {self._max_body_bytes} bytes")
                return response.status, bytes(body)
        except TimeoutError:
            raise FetchError(f"{url} did not answer within {self._timeout_seconds} s") from None
        except PyreqwestError as error:
            raise FetchError(f"{url} could not be read: {_cause(error)}") from None

    async def close(self) -> None:
        """Closes the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None


def require_fetchable(url: str) -> None:
    """Raises FetchError unless the URL is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        raise FetchError(f"{url[:200]!r} is not a URL") from None
    if not host or parts.scheme not in ("https", "http"):
        raise FetchError(f"{url[:200]!r} is not an https URL")
    if parts.username is not None or parts.password is not None:
        raise FetchError("the URL carries a user name or password; remove it")
    if parts.scheme == "http" and not is_loopback_host(host):
        raise FetchError(f"{url[:200]!r} is not https; plain http is for this machine only")


def is_loopback_host(host: str) -> bool:
    """Whether a URL's host certainly means this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cause(error: PyreqwestError) -> str:
    details = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None
    return str(causes[-1]["message"]) if causes else error.message
