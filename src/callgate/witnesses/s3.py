"""A witness that is a bucket: an object for each checkpoint, locked for as long as is wanted."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote

from callgate.audit.notes import Signature
from callgate.ports import Clock, StoreError
from callgate.witnesses.witness import Disputed, Shown, WitnessError

DAY_SECONDS = 86_400
OK = frozenset({200, 201, 204})
EXISTS = 412  # to `If-None-Match: *`


class Answer(Protocol):
    """What came back."""

    @property
    def status(self) -> int: ...

    @property
    def body(self) -> bytes: ...

    @property
    def code(self) -> str:
        """S3's own word for what is wrong."""


class Bucket(Protocol):
    """Signed requests to one bucket, in time or not at all. Blocking. Raises StoreError."""

    @property
    def place(self) -> str: ...

    def ask(
        self, method: str, name: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer: ...

    def close(self) -> None: ...


class Lock:
    """Object Lock: until when, and whether an administrator can end it sooner."""

    def __init__(self, mode: str, days: int) -> None:
        self._mode = mode.upper()
        self._days = days

    def headers(self, now: float) -> dict[str, str]:
        """For an object that is put now."""
        until = datetime.fromtimestamp(now + self._days * DAY_SECONDS, UTC)
        return {
            "x-amz-object-lock-mode": self._mode,
            "x-amz-object-lock-retain-until-date": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }


class S3Witness:
    """Implements Witness. Names sort by size: the newest checkpoint comes last in a listing."""

    key = None

    def __init__(self, name: str, bucket: Bucket, lock: Lock | None, clock: Clock) -> None:
        self.name = name
        self._bucket = bucket
        self._lock = lock
        self._clock = clock

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        """Returns when the object is there, which S3 means to be durable. WitnessError."""
        try:
            await asyncio.to_thread(self._put, shown)
        except StoreError as error:
            raise WitnessError(str(error)) from None
        return ()

    async def close(self) -> None:
        """Ends connections."""
        self._bucket.close()

    def _put(self, shown: Shown) -> None:
        origin = quote(shown.checkpoint.origin, safe="/")
        name = f"{origin}/{shown.checkpoint.size:020}.txt"
        body = shown.note.encode()
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        headers = {
            "content-type": "text/plain; charset=utf-8",
            "if-none-match": "*",
            "x-amz-checksum-sha256": digest,
        }
        if self._lock is not None:
            headers |= self._lock.headers(self._clock.now())
        answer = self._bucket.ask("PUT", name, headers=headers, body=body)
        if answer.status == EXISTS:
            self._hold(name, shown)
        elif answer.status not in OK:
            why = f"HTTP {answer.status} {answer.code}".rstrip()
            raise WitnessError(f"{self._bucket.place}: {why}")

    def _hold(self, name: str, shown: Shown) -> None:
        """Against what is there already, of another gateway or of before."""
        found = self._bucket.ask("GET", name)
        if found.status != 200:
            raise WitnessError(f"{self._bucket.place}: HTTP {found.status} {found.code}".rstrip())
        if not found.body.startswith(shown.checkpoint.text.encode() + b"\n"):
            size = shown.checkpoint.size
            raise Disputed(f"{self._bucket.place} has another checkpoint of {size} entries")
