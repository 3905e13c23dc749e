"""The HTTP client for what is asked elsewhere: no redirects, bounded answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from callgate.model import Value
from callgate.protocol.origins import is_loopback

if TYPE_CHECKING:
    from pyreqwest.client import BaseClientBuilder, Client, ClientBuilder
    from pyreqwest.exceptions import PyreqwestError
    from pyreqwest.response import ResponseBodyReader

MAX_IDLE_SECONDS = 4.0  # common servers close after 5: a request into a closing connection fails
MAX_IDLE_CONNECTIONS = 64
MAX_ANSWER_BYTES = 64 << 10  # to what is posted, where nobody says another bound
MAX_TOLD_CHARACTERS = 200

Builder = TypeVar("Builder", bound="BaseClientBuilder")


class TooLongError(Exception):
    """An answer is longer than it may be."""


class UnusableError(Exception):
    """There was no whole answer: nobody listens, or hung up, or talks something else."""

    def __init__(self, kind: str, cause: str) -> None:
        super().__init__(cause)
        self.kind = kind  # in one word


class PostError(Exception):
    """To what was posted there was no whole answer; the message is for people."""


class LateError(PostError, TimeoutError):
    """None in time."""


def closed(builder: Builder, url: str, timeout_seconds: float) -> Builder:
    """Without redirects, without what unpacks an answer, and on this machine without a proxy.

    `url` says which machine; "" where several are asked.
    """
    builder = (
        builder.follow_redirects(False)
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


def closed_client(url: str, timeout_seconds: float) -> ClientBuilder:
    """One for the loop; see `closed`."""
    from pyreqwest.client import ClientBuilder  # noqa: PLC0415 - 9 MB, where somebody is asked

    return closed(ClientBuilder(), url, timeout_seconds)


def check_place(url: str) -> str:
    """The URL. Raises ValueError where others could read what is asked there, or who asks."""
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
    return url


def checked_url(url: str) -> str:
    """The URL, as it is sent, if what is sent to it can be read by nobody else. ValueError."""
    check_place(url)
    if not url.isascii() or any(ord(character) <= 0x20 for character in url):
        raise ValueError("must be ASCII without spaces; write hosts in punycode")
    return url


async def read_at_most(reader: ResponseBodyReader, most_bytes: int) -> bytes:
    """The whole body. Raises TooLongError as soon as it is longer."""
    body = bytearray()
    while (chunk := await reader.read_chunk()) is not None:
        body += memoryview(chunk)
        if len(body) > most_bytes:
            raise TooLongError(f"the answer is longer than {most_bytes} bytes")
    return bytes(body)


def cause_of(error: PyreqwestError) -> str:
    """Why there was no answer, in the words of whoever noticed it first.

    INVARIANT: never the outermost cause, which has the URL in it, and a secret perhaps in that.
    """
    details = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None
    return str(causes[-1]["message"]) if causes and len(causes) > 1 else error.message


def told(text: str) -> str:
    """What somebody says of their own failure: short, and without what could fool a terminal."""
    return "".join(letter for letter in text if letter.isprintable())[:MAX_TOLD_CHARACTERS]


class Answer(Value):
    """What came back, whatever the status."""

    status: int
    headers: Mapping[str, str]  # their names in lower case
    body: bytes

    @property
    def media_type(self) -> str:
        """Without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def refusal(self) -> str:
        """What a status that was not hoped for means, with the beginning of what was said."""
        if 300 <= self.status < 400:
            return f"HTTP {self.status}: it redirects, which is not followed"
        words = told(self.body[:MAX_TOLD_CHARACTERS].decode("utf-8", "replace"))
        return f"HTTP {self.status}: {words}" if words else f"HTTP {self.status}"


class Asker:
    """Connections to whom is asked. A redirect is an answer like any other: nobody follows it."""

    def __init__(self, make: Callable[[], ClientBuilder], max_bytes: int) -> None:
        """`make` is called with the first request, so that who never asks needs no client."""
        self._make = make
        self._max_bytes = max_bytes
        self._client: Client | None = None

    async def ask(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> Answer:
        """One request, once. Raises TimeoutError, TooLongError, UnusableError."""
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see closed_client

        try:
            if self._client is None:
                self._client = self._make().build()
            request = self._client.request(method, url).headers(dict(headers))
            if body is not None:
                request = request.body_bytes(body)
            async with request.build_streamed() as response:
                said = {name.lower(): value for name, value in response.headers.items()}
                content = await read_at_most(response.body_reader, self._max_bytes)
                return Answer(status=response.status, headers=said, body=content)
        except PyreqwestError as error:
            if isinstance(error, TimeoutError):
                raise
            raise UnusableError(type(error).__name__, cause_of(error)) from None

    async def close(self) -> None:
        """Ends the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


class Poster:
    """Posts to one URL: each message once, and in time or not at all."""

    def __init__(
        self,
        url: str,
        timeout_seconds: float,
        *,
        headers: Mapping[str, str] | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
        builder: ClientBuilder | None = None,
    ) -> None:
        """`headers` go with each message. `builder`: a closed client that can do more, such as
        prove who it is.
        """
        self.place = url.partition("?")[0]  # a query may hold a secret: no message repeats it
        self._url = url
        self._headers = dict(headers or {})
        self._max_bytes = max_bytes
        made = closed_client(url, timeout_seconds) if builder is None else builder
        self._asker = Asker(lambda: made, max_bytes)

    async def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """Server down, slow or talking too much: PostError, and of these too slow: LateError."""
        sent = {**self._headers, **(headers or {})}
        try:
            return await self._asker.ask("POST", self._url, sent, body)
        except TooLongError:
            raise PostError(f"{self.place} answered more than {self._max_bytes} bytes") from None
        except TimeoutError:
            raise LateError(f"{self.place} did not answer in time") from None
        except UnusableError as error:
            raise PostError(f"{self.place} cannot be used: {error}") from None

    async def close(self) -> None:
        """Ends the connections."""
        await self._asker.close()
