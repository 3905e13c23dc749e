"""Exports into a bucket: an object for each batch."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Protocol

from callgate.exports.export import Batch, DestinationError


class Objects(Protocol):
    """A bucket. Blocking. Raises what it raises; its words hold no secret."""

    def put(self, name: str, body: bytes) -> None:
        """Returns when the object is there."""


class BucketDestination:
    """Objects `<name>/date=2026-11-29/<log>-<seq>-<digest>.jsonl`: the same when sent again."""

    def __init__(self, name: str, bucket: Objects, most: int) -> None:
        self.most = most
        self._name = name
        self._bucket = bucket

    async def send(self, batch: Batch) -> None:
        """Puts the object."""
        body = b"".join(batch.lines)
        first = batch.records[0]
        place = first["record"] if "record" in first else first["records"][-1]
        digest = hashlib.sha256(body).hexdigest()[:16]
        name = f"{place['log']}-{place['seq']:013}-{digest}.jsonl"
        day = first["at"][:10]
        try:
            await asyncio.to_thread(self._bucket.put, f"{self._name}/date={day}/{name}", body)
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch is not there
            raise DestinationError(str(error)) from None

    async def close(self) -> None:
        """Nothing is open."""
