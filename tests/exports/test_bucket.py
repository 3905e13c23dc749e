from __future__ import annotations

import asyncio

import pytest

from callgate.audit.questions import ExportCursor
from callgate.exports.batches import batches
from callgate.exports.bucket import BucketDestination
from callgate.exports.export import Batch, DestinationError
from callgate.ports import StoreError
from fakes.exporting import CALLS, FakeSource


class FakeObjects:
    """Implements Objects."""

    def __init__(self, fault: str | None = None) -> None:
        self.kept: dict[str, bytes] = {}
        self.fault = fault

    def put(self, name: str, body: bytes) -> None:
        if self.fault is not None:
            raise StoreError(self.fault)
        self.kept[name] = body


def a_batch() -> Batch:
    (batch,) = batches(FakeSource(3), CALLS, ExportCursor())
    return batch


def test_a_batch_is_one_object_and_the_same_when_it_comes_again() -> None:
    objects = FakeObjects()
    destination = BucketDestination("siem", objects, 3)
    asyncio.run(destination.send(a_batch()))
    asyncio.run(destination.send(a_batch()))
    ((name, body),) = objects.kept.items()
    assert name.startswith("siem/date=2026-11-29/1-0000000000001-")
    assert body == b"".join(a_batch().lines)


def test_a_bucket_that_fails_is_said() -> None:
    destination = BucketDestination("siem", FakeObjects("HTTP 503 SlowDown"), 3)
    with pytest.raises(DestinationError, match="SlowDown"):
        asyncio.run(destination.send(a_batch()))
