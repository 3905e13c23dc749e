"""Large payloads as objects in a bucket of any S3 API."""

from __future__ import annotations

import base64

from callgate.storage.blobs.blob_store import (
    BlobError,
    checked_content,
    checked_digest,
    digest_of,
)
from callgate.storage.blobs.s3_requests import Answer, Bucket
from callgate.storage.blobs.settings import S3Settings

OK = frozenset({200, 204})
EXISTS = 412  # to `If-None-Match: *`
UNKNOWN = frozenset({400, 501})  # what those say who do not know that header


class S3Blobs:
    """Implements BlobStore. An answer of 200 means durable: that is what S3 promises."""

    def __init__(self, settings: S3Settings, timeout_seconds: float) -> None:
        """Raises BlobError where botocore is missing. Connects to nothing yet."""
        self._bucket = Bucket(settings, timeout_seconds)
        self._has_conditions = True

    @property
    def place(self) -> str:
        """Bucket and prefix."""
        return self._bucket.place

    def put(self, digest: str, content: bytes) -> None:
        """Uploads it, unless it is there. S3 holds what arrives against the digest. BlobError."""
        headers = _headers(digest)
        name = _name(digest)
        if self._has_conditions:
            conditional = {**headers, "if-none-match": "*"}
            answer = self._bucket.ask("PUT", name, headers=conditional, body=content)
            if answer.status in OK or (answer.status == EXISTS and self._is_whole(name, content)):
                return
            if answer.status != EXISTS:
                if answer.status not in UNKNOWN:
                    raise self._fault(answer)
                self._has_conditions = False
        answer = self._bucket.ask("PUT", name, headers=headers, body=content)
        if answer.status not in OK:
            raise self._fault(answer)

    def _is_whole(self, name: str, content: bytes) -> bool:
        """Whether what is there is this content: the record relies on it, so it is looked at."""
        found = self._bucket.ask("GET", name)
        return found.status == 200 and found.body == content

    def get(self, digest: str) -> bytes | None:
        """The content; None where there is no such object. BlobError where it is another."""
        content = self.raw(digest)
        return None if content is None else checked_content(self.place, digest, content)

    def raw(self, digest: str) -> bytes | None:
        """What is in the object; None where there is none. BlobError."""
        for name in _places(digest):
            content = self._read(name)
            if content is not None:
                return content
        return None

    def has(self, digest: str) -> bool:
        """Whether there is such an object. BlobError."""
        return any(self._is_there(name) for name in _places(digest))

    def is_in_place(self, digest: str) -> bool:
        """Whether there is an object of this very name."""
        return self._is_there(_name(digest))

    def set_aside(self, digest: str) -> None:
        """Writes it under another name first, then takes it away from its own. BlobError."""
        self._move(_name(digest), _aside(digest))

    def put_back(self, digest: str) -> None:
        """The same, the other way round. BlobError."""
        self._move(_aside(digest), _name(digest))

    def delete(self, digest: str) -> None:
        """Returns when it is gone; a bucket that keeps versions keeps them. BlobError."""
        self._take_away(_aside(digest))

    def close(self) -> None:
        """Ends connections."""
        self._bucket.close()

    def _read(self, name: str) -> bytes | None:
        answer = self._bucket.ask("GET", name)
        if answer.status == 200:
            return answer.body
        if answer.status == 404 and answer.code in ("", "NoSuchKey"):
            return None
        raise self._fault(answer)

    def _is_there(self, name: str) -> bool:
        answer = self._bucket.ask("HEAD", name)
        if answer.status in (200, 404):
            return answer.status == 200
        raise self._fault(answer)

    def _move(self, name: str, to: str) -> None:
        content = self._read(name)
        if content is None:
            return
        # Whatever it is: a content that is not what its name says is not for us to lose.
        answer = self._bucket.ask("PUT", to, headers=_headers(digest_of(content)), body=content)
        if answer.status not in OK:
            raise self._fault(answer)
        self._take_away(name)

    def _take_away(self, name: str) -> None:
        answer = self._bucket.ask("DELETE", name)
        if answer.status not in (*OK, 404):
            raise self._fault(answer)

    def _fault(self, answer: Answer) -> BlobError:
        if 300 <= answer.status < 400:
            why = f"HTTP {answer.status}: it redirects, which is not followed; set `region`"
        else:
            why = f"HTTP {answer.status} {answer.code}".rstrip()
        return BlobError(f"{self.place}: {why}")


def _name(digest: str) -> str:
    return f"{checked_digest(digest)[:2]}/{digest}"


def _aside(digest: str) -> str:
    return f"aside/{checked_digest(digest)}"


def _places(digest: str) -> tuple[str, ...]:
    """Where it may be: looked at in this order, an object that is moved meanwhile is found."""
    return _name(digest), _aside(digest), _name(digest)


def _headers(digest: str) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(digest)).decode(),
    }
