"""What every place for large payloads does: it keeps contents under their digests, no others."""

from __future__ import annotations

import hashlib
import re
from typing import Protocol

from callgate.ports import StoreError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class BlobError(StoreError):
    """A payload could not be kept, or what is kept cannot be read, or is another."""


class BlobStore(Protocol):
    """Contents by their SHA-256 in hex. Blocking; safe for several threads, and processes."""

    @property
    def place(self) -> str:
        """For messages; without secrets."""

    def put(self, digest: str, content: bytes) -> None:
        """Returns when the content is durable; costs little where it is there. BlobError."""

    def get(self, digest: str) -> bytes | None:
        """The content; None where there is none. Raises BlobError where another lies there."""

    def raw(self, digest: str) -> bytes | None:
        """What lies there, be it the content or not: for those who check it themselves."""

    def has(self, digest: str) -> bool:
        """Whether something lies there. BlobError."""

    def is_in_place(self, digest: str) -> bool:
        """Whether something lies where `put` leaves it, and is not set aside. BlobError."""

    def set_aside(self, digest: str) -> None:
        """Whoever puts the content from here on puts it anew; it can still be read. BlobError.

        Durable: whatever happens next, it can be put back.
        """

    def put_back(self, digest: str) -> None:
        """What was set aside is where it was, if there is any. BlobError."""

    def delete(self, digest: str) -> None:
        """What was set aside is gone for good, what was put since then is not. BlobError."""

    def close(self) -> None:
        """Ends connections."""


def digest_of(content: bytes) -> str:
    """What the content is kept under."""
    return hashlib.sha256(content).hexdigest()


def checked_digest(digest: str) -> str:
    """The digest, if it is one: it becomes the name of a file. Raises BlobError."""
    if not _DIGEST.fullmatch(digest):
        raise BlobError(f"{digest[:80]!r} is no digest")
    return digest


def checked_content(place: str, digest: str, content: bytes) -> bytes:
    """The content, if it is the one that was kept. Raises BlobError."""
    if digest_of(content) != digest:
        raise BlobError(f"{place}: {digest} was replaced by something else")
    return content
