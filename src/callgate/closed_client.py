"""The HTTP client for what is asked elsewhere: no redirects, bounded answers."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import urlsplit

from pyreqwest.client import ClientBuilder
from pyreqwest.response import ResponseBodyReader

from callgate.protocol.origins import is_loopback

MAX_IDLE_SECONDS = 4.0  # common servers close after 5: a request into a closing connection fails
MAX_IDLE_CONNECTIONS = 64


class TooLongError(Exception):
    """An answer is longer than it may be."""


def closed_client(url: str, timeout_seconds: float) -> ClientBuilder:
    """Without redirects, without what unpacks an answer, and on this machine without a proxy."""
    builder = (
        ClientBuilder()
        .follow_redirects(False)
        .timeout(timedelta(seconds=timeout_seconds))
        .pool_idle_timeout(timedelta(seconds=MAX_IDLE_SECONDS))
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .referer(False)
        .user_agent("callgate")
    )
    return builder.no_proxy() if is_loopback(urlsplit(url).hostname or "") else builder


def check_place(url: str) -> None:
    """Raises ValueError where others could read what is asked there, or who asks."""
    parts = urlsplit(url)
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ValueError("must be an https URL with a host")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must be https; plain http is for this machine only")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not carry a user name or password; remove it")
    if parts.fragment:
        raise ValueError("must not have a fragment")
    _ = parts.port  # raises where it is no port


async def read_at_most(reader: ResponseBodyReader, most_bytes: int) -> bytes:
    """The whole body. Raises TooLongError as soon as it is longer."""
    body = bytearray()
    while (chunk := await reader.read_chunk()) is not None:
        body += memoryview(chunk)
        if len(body) > most_bytes:
            raise TooLongError(f"the answer is longer than {most_bytes} bytes")
    return bytes(body)
