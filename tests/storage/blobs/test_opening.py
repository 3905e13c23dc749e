"""Which place settings mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callgate.storage.blobs.blob_store import digest_of
from callgate.storage.blobs.files import FileBlobs
from callgate.storage.blobs.opening import blobs_of, reader_of
from callgate.storage.blobs.s3 import S3Blobs
from callgate.storage.settings import StoreSettings


def settings(**said: Any) -> StoreSettings:
    return StoreSettings.model_validate(said)


def place(**said: Any) -> str | None:
    blobs = blobs_of(settings(**said))
    return None if blobs is None else blobs.place


def test_payloads_lie_beside_the_file_in_a_directory_in_a_bucket_or_in_the_database() -> None:
    assert place(path="a/r.db") == "a/r.db-blobs"
    assert place(blobs={"path": "b"}) == "b"
    assert place(blobs={"s3": {"bucket": "record", "prefix": "p/"}}) == "s3://record/p/"
    assert place(url="postgresql://db/x") is None
    assert place(url="postgresql://db/x", blobs={"path": "b"}) == "b"
    assert isinstance(blobs_of(settings(blobs={"s3": {"bucket": "record"}})), S3Blobs)


def test_a_reader_finds_what_was_kept_and_nothing_where_nothing_is(tmp_path: Path) -> None:
    said = settings(path=tmp_path / "r.db")
    read = reader_of(said)
    assert list(tmp_path.iterdir()) == []
    FileBlobs(tmp_path / "r.db-blobs").put(digest_of(b"{}"), b"{}")

    assert read(digest_of(b"{}")) == b"{}"
    assert read(digest_of(b"[]")) is None
    (tmp_path / "r.db-blobs" / digest_of(b"{}")[:2] / digest_of(b"{}")).write_bytes(b"lies")
    assert read(digest_of(b"{}")) == b"lies"  # for who asks to find out, and to say of what
    assert reader_of(settings(url="postgresql://db/x"))(digest_of(b"{}")) is None
