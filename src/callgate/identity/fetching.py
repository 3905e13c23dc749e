"""Fetches what issuers publish: small documents, over HTTPS, no redirects, within a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from callgate.closed_client import Asker, TooLongError, UnusableError, closed_client
from callgate.protocol.origins import is_loopback

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
        self._asker = Asker(lambda: closed_client("", timeout_seconds), max_body_bytes)

    async def __call__(self, url: str) -> tuple[int, bytes]:
        """One GET. Issuer down, slow or talking too much: FetchError, never a partial body."""
        require_fetchable(url)
        try:
            answer = await self._asker.ask("GET", url, {})
        except TooLongError:
            raise FetchError(f"{url} sent more than {self._max_body_bytes} bytes") from None
        except TimeoutError:
            raise FetchError(f"{url} did not answer within {self._timeout_seconds} s") from None
        except UnusableError as error:
            raise FetchError(f"{url} could not be read: {error}") from None
        return answer.status, answer.body

    async def close(self) -> None:
        """Closes the connections."""
        await self._asker.close()


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
    if parts.scheme == "http" and not is_loopback(host):
        raise FetchError(f"{url[:200]!r} is not https; plain http is for this machine only")
