"""Requests to one bucket over the S3 API: signed, bounded, tried again where that can help."""

from __future__ import annotations

import importlib
import os
import re
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from callgate.model import Value
from callgate.protocol.origins import is_loopback
from callgate.storage.blobs.blob_store import BlobError
from callgate.storage.blobs.settings import S3Settings

if TYPE_CHECKING:
    from pyreqwest.client import SyncClient
    from pyreqwest.exceptions import PyreqwestError

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
ATTEMPTS = 3
PAUSE_SECONDS = 0.2  # before the second attempt; twice as long before the third
MAX_ANSWER_BYTES = 1 << 30
MAX_IDLE_SECONDS = 4.0  # common servers close after 5: a request into a closing connection fails
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
        region = settings.region or _region() or "us-east-1"
        self.place = f"s3://{settings.bucket}/{settings.prefix}"
        self._url = _url(settings, region)
        self._signer = _Signer(settings, region)
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
                problem = f"cannot be reached: {_cause(error)}"
            else:
                if answer.status not in _PASSING:
                    return answer
                problem = f"HTTP {answer.status} {answer.code}".rstrip()
        raise BlobError(f"{self.place}: {problem}")

    def _asked(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        signed = self._signer.signed(method, url, headers, body)
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
                builder = (
                    SyncClientBuilder()
                    .follow_redirects(False)
                    .timeout(timedelta(seconds=self._seconds))
                    .pool_idle_timeout(timedelta(seconds=MAX_IDLE_SECONDS))
                    .referer(False)
                    .user_agent("callgate")
                )
                if is_loopback(urlsplit(self._url).hostname or ""):
                    builder = builder.no_proxy()
                self._client = builder.build()
            return self._client

    def close(self) -> None:
        """Ends connections; who waits to try again gives up."""
        self._is_closed.set()
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None


class _Signer:
    """Signs with botocore, which also knows every place where credentials may be."""

    def __init__(self, settings: S3Settings, region: str) -> None:
        try:
            self._auth = importlib.import_module("botocore.auth")
            self._request = importlib.import_module("botocore.awsrequest")
            self._known = importlib.import_module("botocore.credentials")
            self._sessions = importlib.import_module("botocore.session")
        except ImportError:
            raise BlobError("`blobs.s3` needs botocore; install callgate[aws]") from None
        self._region = region
        self._lock = threading.Lock()
        self._credentials: Any = None
        if settings.access_key_id is not None and settings.secret_access_key is not None:
            token = settings.session_token
            self._credentials = self._known.Credentials(
                settings.access_key_id.get_secret_value(),
                settings.secret_access_key.get_secret_value(),
                None if token is None else token.get_secret_value(),
            )

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """The headers of the request, the digest of its body among them."""
        request = self._request.AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        self._auth.S3SigV4Auth(self._frozen(), "s3", self._region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def _frozen(self) -> Any:
        with self._lock:
            if self._credentials is None:
                self._credentials = self._sessions.Session().get_credentials()
            if self._credentials is None:
                raise BlobError(
                    "no AWS credentials were found; set `access_key_id` and `secret_access_key`, "
                    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
            return self._credentials.get_frozen_credentials()


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


def _region() -> str | None:
    return next((found for name in REGION_VARIABLES if (found := os.environ.get(name))), None)


def _cause(error: PyreqwestError) -> str:
    details = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None
    return str(causes[-1]["message"]) if causes else type(error).__name__
