"""Contents lie under their digests, and under nothing else."""

from __future__ import annotations

import pytest

from callgate.ports import StoreError
from callgate.storage.blobs.blob_store import (
    BlobError,
    checked_content,
    checked_digest,
    digest_of,
)


def test_a_content_is_the_one_that_was_kept_or_an_error() -> None:
    digest = digest_of(b"a")

    assert checked_content("here", digest, b"a") == b"a"
    with pytest.raises(BlobError, match=f"^here: {digest} was replaced by something else$"):
        checked_content("here", digest, b"b")


@pytest.mark.parametrize(
    "name", ["", "..", "a" * 63, "A" * 64, "g" * 64, "a" * 64 + "\n", "/" * 64]
)
def test_what_is_no_digest_names_nothing(name: str) -> None:
    with pytest.raises(BlobError, match="is no digest"):
        checked_digest(name)


def test_whoever_watches_for_faults_of_the_record_sees_these_too() -> None:
    assert issubclass(BlobError, StoreError)
