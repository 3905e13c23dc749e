"""A place for payloads in memory, which can fail, be slow, and tell what it was asked."""

from __future__ import annotations

import threading

from callgate.storage.blobs.blob_store import BlobError


class FakeBlobs:
    """Implements BlobStore. `fail` breaks it until `mend`; `hold` lets nothing through meanwhile."""

    place = "fake"

    def __init__(self) -> None:
        self.contents: dict[str, bytes] = {}
        self.aside: dict[str, bytes] = {}
        self.asked = 0
        self.failures = 0  # to come
        self.is_closed = False
        self._fault: str | None = None
        self._may_go = threading.Event()
        self._may_go.set()

    def put(self, digest: str, content: bytes) -> None:
        self.asked += 1
        self._may_go.wait(120)
        if self._fault is not None:
            raise BlobError(self._fault)
        if self.failures:
            self.failures -= 1
            raise BlobError("fake: not this time")
        self.contents[digest] = content

    def get(self, digest: str) -> bytes | None:
        return self.raw(digest)

    def raw(self, digest: str) -> bytes | None:
        return self.contents.get(digest, self.aside.get(digest))

    def has(self, digest: str) -> bool:
        return self.raw(digest) is not None

    def is_in_place(self, digest: str) -> bool:
        return digest in self.contents

    def set_aside(self, digest: str) -> None:
        if digest in self.contents:
            self.aside[digest] = self.contents.pop(digest)

    def put_back(self, digest: str) -> None:
        if digest in self.aside:
            self.contents[digest] = self.aside.pop(digest)

    def delete(self, digest: str) -> None:
        self.aside.pop(digest, None)

    def close(self) -> None:
        self.is_closed = True
        self._may_go.set()

    def fail(self, reason: str = "fake: bucket gone") -> None:
        self._fault = reason

    def mend(self) -> None:
        self._fault = None

    def hold(self) -> None:
        self._may_go.clear()

    def release(self) -> None:
        self._may_go.set()
