"""Large payloads as objects in a bucket of any S3 API."""

from __future__ import annotations

import base64

from callgate.storage.blobs.blob_store import BlobError, checked_content, checked_digest
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
        headers = {
            "content-type": "application/json",
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(digest)).decode(),
        }
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
        answer = self._bucket.ask("GET", _name(digest))
        if answer.status == 200:
            return answer.body
        if answer.status == 404 and answer.code in ("", "NoSuchKey"):
            return None
        raise self._fault(answer)

    def has(self, digest: str) -> bool:
        """Whether there is such an object. BlobError."""
        answer = self._bucket.ask("HEAD", _name(digest))
        if answer.status in (200, 404):
            return answer.status == 200
        raise self._fault(answer)

    def delete(self, digest: str) -> None:
        """Returns when it is gone; a bucket that keeps versions keeps them. BlobError."""
        answer = self._bucket.ask("DELETE", _name(digest))
        if answer.status not in (*OK, 404):
            raise self._fault(answer)

    def close(self) -> None:
        """Ends connections."""
        self._bucket.close()

    def _fault(self, answer: Answer) -> BlobError:
        if 300 <= answer.status < 400:
            why = f"HTTP {answer.status}: it redirects, which is not followed; set `region`"
        else:
            why = f"HTTP {answer.status} {answer.code}".rstrip()
        return BlobError(f"{self.place}: {why}")


def _name(digest: str) -> str:
    return f"{checked_digest(digest)[:2]}/{digest}"
