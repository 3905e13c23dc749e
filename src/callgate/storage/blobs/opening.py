"""Settings → the place for large payloads, to write to and to read from."""

from __future__ import annotations

import threading
from collections.abc import Callable

from callgate.storage.blobs.blob_store import BlobStore
from callgate.storage.blobs.files import FileBlobs
from callgate.storage.blobs.s3 import S3Blobs
from callgate.storage.settings import StoreSettings


def blobs_of(settings: StoreSettings) -> BlobStore | None:
    """The place; None where everything lies in the database. Raises BlobError."""
    said = settings.blobs
    if said.s3 is not None:
        return S3Blobs(said.s3, said.timeout_seconds)
    if said.path is not None:
        return FileBlobs(said.path)
    if settings.url is not None:
        return None  # files beside this process are not there for the others of that database
    return FileBlobs(settings.beside("-blobs"))


def reader_of(settings: StoreSettings) -> Callable[[str], bytes | None]:
    """What gives the payload that lies under a digest; None where it is gone. It raises BlobError.

    Whether it is the one that was kept is for the reader to check, who knows of which entry it is.
    Nothing is opened before something is asked for.
    """
    return _Reader(settings).get


class _Reader:
    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._blobs: BlobStore | None = None

    def get(self, digest: str) -> bytes | None:
        with self._lock:
            if self._blobs is None:
                self._blobs = blobs_of(self._settings)
        return self._blobs.raw(digest) if self._blobs is not None else None
