"""Requests to one bucket over the S3 API: signed, bounded, tried again where that can help."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from callgate.aws_signing import S3, Signer, SigningError, region_here
from callgate.closed_client import cause_of, closed
from callgate.model import Value
from callgate.storage.blobs.blob_store import BlobError
from callgate.storage.blobs.settings import S3Settings

if TYPE_CHECKING:
    from pyreqwest.client import SyncClient

ATTEMPTS = 3
PAUSE_SECONDS = 0.2  # before the second attempt; twice as long before the third
MAX_ANSWER_BYTES = 1 << 30
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
_CODE = re.compile(rb"<Code>([A-Za-z0-9.]{1,64})</Code>")


class Answer(Value):
    """What came back."""

    status: int
    body: bytes = b""

    @property
    def code(self) -> str:
        """S3's own word for what is wrong, where it has one; never its message: that may repeat
        what was sent.
        """
        found = _CODE.search(self.body[:8192])
        return found[1].decode() if found is not None else ""


class Bucket:
    """One bucket. Safe for several threads."""

    def __init__(self, settings: S3Settings, timeout_seconds: float) -> None:
        """Raises BlobError where botocore is missing."""
        region = settings.region or region_here() or "us-east-1"
        self.place = f"s3://{settings.bucket}/{settings.prefix}"
        self._url = _url(settings, region)
        try:
            self._signer = Signer(S3, region, settings)
        except SigningError as error:
            raise BlobError(f"`blobs.s3` {error}") from None
        self._seconds = timeout_seconds / ATTEMPTS
        self._lock = threading.Lock()
        self._client: SyncClient | None = None
        self._is_closed = threading.Event()

    def ask(
        self,
        method: str,
        name: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """The answer, after up to ATTEMPTS where what is wrong may pass. Raises BlobError."""
        from pyreqwest.exceptions import PyreqwestError  # noqa: PLC0415 - see _connected

        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt and self._is_closed.wait(PAUSE_SECONDS * 2 ** (attempt - 1)):
                break
            try:
                answer = self._asked(method, self._url + name, headers or {}, body)
            except TimeoutError:
                problem = f"no answer within {self._seconds:.1f} s"
            except PyreqwestError as error:
                problem = f"cannot be reached: {cause_of(error)}"
            else:
                if answer.status not in _PASSING:
                    return answer
                problem = f"HTTP {answer.status} {answer.code}".rstrip()
        raise BlobError(f"{self.place}: {problem}")

    def _asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            signed = self._signer.signed(method, url, headers, body)
        except SigningError as error:
            raise BlobError(str(error)) from None
        request = self._connected().request(method, url).headers(signed)
        if body:
            request = request.body_bytes(body)
        with request.build_streamed() as response:
            content = bytearray()
            reader = response.body_reader
            while (chunk := reader.read_chunk()) is not None:
                content += memoryview(chunk)
                if len(content) > MAX_ANSWER_BYTES:
                    raise BlobError(f"{self.place}: answered more than {MAX_ANSWER_BYTES} bytes")
            return Answer(status=response.status, body=bytes(content))

    def _connected(self) -> SyncClient:
        from pyreqwest.client import SyncClientBuilder  # noqa: PLC0415 - 9 MB, for a bucket only

        with self._lock:
            if self._client is None:
                self._client = closed(SyncClientBuilder(), self._url, self._seconds).build()
            return self._client

    def close(self) -> None:
        """Ends connections; who waits to try again gives up."""
        self._is_closed.set()
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None


def _url(settings: S3Settings, region: str) -> str:
    """What the names of objects are appended to."""
    endpoint = settings.endpoint or f"https://s3.{region}.amazonaws.com"
    # A certificate for *.s3… does not cover a name with more dots.
    in_host = settings.endpoint is None and "." not in settings.bucket
    if settings.addressing is not None:
        in_host = settings.addressing == "virtual"
    if in_host:
        scheme, _, rest = endpoint.partition("://")
        return f"{scheme}://{settings.bucket}.{rest}/{settings.prefix}"
    return f"{endpoint}/{settings.bucket}/{settings.prefix}"
