"""The HTTP client for what is asked elsewhere: no redirects, bounded answers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from callgate.model import Value
from callgate.protocol.origins import is_loopback

if TYPE_CHECKING:
    from pyreqwest.client import Client, ClientBuilder
    from pyreqwest.response import ResponseBodyReader

MAX_IDLE_SECONDS = 4.0  # common servers close after 5: a request into a closing connection fails
MAX_IDLE_CONNECTIONS = 64
MAX_ANSWER_BYTES = 64 << 10  # to what is posted


class TooLongError(Exception):
    """An answer is longer than it may be."""


class NoAnswerError(Exception):
    """Who was asked is down, slow, or says too much; the message is for people."""


def closed_client(url: str, timeout_seconds: float) -> ClientBuilder:
    """Without redirects, without what unpacks an answer, and on this machine without a proxy."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - 9 MB, where somebody is asked

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


class Answer(Value):
    """What came back, whatever the status."""

    status: int
    media_type: str
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refusal(self) -> str:
        """What a status that was not hoped for means, with the beginning of what was said."""
        if 300 <= self.status < 400:
            return f"HTTP {self.status}: it redirects, which is not followed"
        said = self.body[:200].decode("utf-8", "replace")
        words = "".join(letter for letter in said if letter.isprintable())
        return f"HTTP {self.status}: {words}" if words else f"HTTP {self.status}"


class Poster:
    """Posts to one URL: each message once, and in time or not at all."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self._url = url
        self.place = url.partition("?")[0]  # a query may hold a secret: no message repeats it
        self._headers = dict(headers)
        self._builder = closed_client(url, timeout_seconds)
        self._client: Client | None = None

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Raises NoAnswerError."""
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see closed_client

        sent = {**self._headers, **(headers or {})}
        try:
            if self._client is None:
                self._client = self._builder.build()
            request = self._client.post(self._url).headers(sent)
            async with request.body_bytes(body).build_streamed() as response:
                content = await read_at_most(response.body_reader, MAX_ANSWER_BYTES)
                said = response.headers.get("content-type") or ""
                media_type = str(said).partition(";")[0].strip().lower()
                return Answer(status=response.status, media_type=media_type, body=content)
        except TooLongError:
            raise NoAnswerError(f"{self.place} answers too much") from None
        except TimeoutError:
            raise NoAnswerError(f"{self.place} did not answer in time") from None
        except PyreqwestError as error:
            raise NoAnswerError(f"{self.place} cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Ends the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()
