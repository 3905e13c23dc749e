"""The record with large payloads elsewhere: each is durable there before its entry is handed on."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from typing import Any, NoReturn, Protocol

from msgspec.structs import replace

from callgate.audit.record import Entry, Telling, without_payload
from callgate.ports import StoreError
from callgate.storage.blobs.blob_store import BlobStore, digest_of
from callgate.storage.blobs.doubting import Doubt, Doubts

THREADS = 8  # payloads on their way at once
MAX_WAITING_BYTES = 64 << 20  # of payloads that cannot be kept yet; of those in doubt
MAX_WAITING = 10_000
RETRY_SECONDS = 1.0
PROBE = b"{}"  # what is put there to see whether it works again

Put = Callable[[str, bytes], None]
"""`BlobStore.put`, or what does the same."""

_log = logging.getLogger("callgate.storage")


class Store(Protocol):
    """CallStore, opened and closed."""

    async def open(self) -> None:
        """Raises StoreError."""

    async def close(self) -> None:
        """Raises StoreError."""

    async def append(self, entry: Telling) -> None:
        """As in CallStore."""

    def append_soon(self, entry: Telling) -> None:
        """As in CallStore."""

    @property
    def fault(self) -> str | None:
        """Why nothing can be written now."""

    @property
    def damage(self) -> tuple[str, ...]:
        """Why logs are not continued."""


class PlacingStore:
    """Implements CallStore around another one. Belongs to the event loop that opened it.

    While payloads cannot be kept, `append` raises whatever the size of the entry: a call that goes
    out may come back with a large result. Outcomes with large payloads wait in order. Where those
    that wait become too many, they are recorded without their payload, and say so.
    """

    def __init__(
        self, store: Store, blobs: BlobStore, *, inline_bytes: int, timeout_seconds: float
    ) -> None:
        self._store = store
        self._blobs = blobs
        self._inline_bytes = inline_bytes
        self._timeout_seconds = timeout_seconds
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="callgate-blobs")
        self._blob_fault: str | None = None
        self._later: deque[Entry] = deque()
        self._later_bytes = 0
        self._doubts = Doubts(MAX_WAITING_BYTES)
        self._tending: asyncio.Task[None] | None = None
        self._is_open = False
        self._is_closing = asyncio.Event()

    async def open(self) -> None:
        """Opens the record; the place for payloads is made when it is needed. StoreError."""
        await self._store.open()
        self._is_open = True

    async def close(self) -> None:
        """Writes what waits. Raises StoreError where some of it could not be written."""
        self._is_open = False
        self._is_closing.set()
        if self._tending is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * self._timeout_seconds):
                    await self._tending
        for entry in self._later:
            self._hand_on(without_payload(entry, self._blob_fault or "the gateway ended"))
        self._later.clear()
        try:
            await self._store.close()
        finally:
            await self._put_last()
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._blobs.close()

    async def _put_last(self) -> None:
        """What entries have that the record did not take until now, if it did at all."""
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * self._timeout_seconds):
                while (doubt := self._doubts.due(self._now())) is not None:
                    if not await self._put_again(doubt):
                        return

    def append(self, telling: Telling) -> Coroutine[Any, Any, None]:
        """Returns when the entry and its payload are durable. StoreError."""
        self._make_sure()
        if self._blob_fault is not None:
            raise StoreError(self._blob_fault)
        if self._is_small(telling):
            return self._confirming(telling) if self._doubts else self._store.append(telling)
        return self._append(telling.told())

    async def _append(self, entry: Entry) -> None:
        if not self._is_large(entry):
            await self._confirming(entry)
            return
        if self._later_bytes > MAX_WAITING_BYTES // 2:
            raise StoreError(f"{self._blobs.place} is too slow: {len(self._later)} wait for it")
        await self._put(entry)
        is_taken = self._store.fault is None
        try:
            await self._confirming(replace(entry, payload=None))
        except BaseException:
            if is_taken:  # it may be written yet
                self._doubts.add(entry.payload or b"", self._now())
                if self._is_open:
                    self._tend()
            raise

    async def _confirming(self, telling: Telling) -> None:
        """Appends it; then all that was handed on before is durable, too."""
        handed = self._doubts.handed
        await self._store.append(telling)
        self._doubts.written(handed, self._now())

    def append_soon(self, telling: Telling) -> None:
        """Queues the entry. Raises StoreError when closed or too full."""
        if self._is_small(telling):
            self._store.append_soon(telling)
            return
        entry = telling.told()
        if not self._is_large(entry):
            self._store.append_soon(entry)
            return
        self._make_sure()
        size = len(entry.payload or b"")
        if self._later_bytes + size > MAX_WAITING_BYTES or len(self._later) >= MAX_WAITING:
            why = self._blob_fault or f"{self._blobs.place} is too slow"
            _log.error("the payload of %s %s is lost: %s", entry.kind, entry.call_id, why)
            self._store.append_soon(without_payload(entry, why))
            return
        self._later.append(entry)
        self._later_bytes += size
        self._tend()

    @property
    def is_healthy(self) -> bool:
        """Whether the last write went through, of entries and of payloads."""
        return self.fault is None

    @property
    def fault(self) -> str | None:
        """Why the record cannot be written now, in words; None where it can."""
        return self._blob_fault or self._store.fault

    @property
    def damage(self) -> tuple[str, ...]:
        """Why logs are not continued, in words."""
        return self._store.damage

    def _make_sure(self) -> None:
        if not self._is_open:
            raise StoreError("the record is not open")

    def _is_small(self, telling: Telling) -> bool:
        most = telling.most_bytes
        return most is not None and most <= self._inline_bytes

    def _is_large(self, entry: Entry) -> bool:
        return entry.payload is not None and len(entry.payload) > self._inline_bytes

    def _tend(self) -> None:
        if self._tending is None or self._tending.done():
            # Held here and awaited in close().
            self._tending = asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        """Puts what waits, in order; and sees whether it works again, where it did not."""
        while self._later or self._doubts or self._blob_fault is not None:
            is_last = self._is_closing.is_set()
            if self._store.fault is not None:
                self._doubts.failed(self._now())
            if self._later:
                is_done = await self._put_some(list(islice(self._later, THREADS)))
            elif (doubt := self._due()) is not None:
                is_done = await self._put_again(doubt)
            elif self._blob_fault is not None:
                is_done = await self._try(PROBE)
            else:
                is_done = False  # but entries are on their way
            if is_done:
                continue
            if is_last:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._is_closing.wait()

    async def _put_some(self, entries: list[Entry]) -> bool:
        done = await asyncio.gather(*(self._try(entry.payload or b"") for entry in entries))
        for entry, is_done in zip(entries, done, strict=True):
            if not is_done:
                return False
            self._later.popleft()
            self._later_bytes -= len(entry.payload or b"")
            self._hand_on(replace(entry, payload=None))
            self._doubts.add(entry.payload or b"", self._now())
        return True

    def _due(self) -> Doubt | None:
        """What is to be put again, where the record takes entries."""
        return self._doubts.due(self._now()) if self._store.fault is None else None

    async def _put_again(self, doubt: Doubt) -> bool:
        began = self._now()
        is_done = await self._try(doubt.content, self._put_unless_there)
        if is_done:
            self._doubts.put(doubt, began)
        return is_done

    def _put_unless_there(self, digest: str, content: bytes) -> None:
        if not self._blobs.is_in_place(digest):
            self._blobs.put(digest, content)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    async def _try(self, content: bytes, put: Put | None = None) -> bool:
        try:
            await self._keep(content, put or self._blobs.put)
        except StoreError:
            return False
        return True

    async def _put(self, entry: Entry) -> None:
        try:
            await self._keep(entry.payload or b"", self._blobs.put)
        except StoreError:
            self._tend()
            raise

    async def _keep(self, content: bytes, put: Put) -> None:
        """Returns when it is durable; notes whether that works. Raises StoreError."""
        work = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: put(digest_of(content), content)
        )
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await work
        except TimeoutError:
            seconds = self._timeout_seconds
            self._fail(f"{self._blobs.place} has not answered for {seconds:.0f} s")
        except StoreError as error:
            self._fail(str(error))
        except Exception as error:  # noqa: BLE001 - whatever it was: it may not be kept
            self._fail(f"{self._blobs.place}: {type(error).__name__}")
        if self._blob_fault is not None:
            self._blob_fault = None
            _log.info("large payloads can be kept again")

    def _fail(self, reason: str) -> NoReturn:
        if self._blob_fault is None:
            _log.error(
                "large payloads cannot be kept, calls are refused until they can: %s", reason
            )
        self._blob_fault = reason
        raise StoreError(reason) from None

    def _hand_on(self, entry: Entry) -> None:
        try:
            self._store.append_soon(entry)
        except StoreError as error:
            _log.error("the %s of %s could not be recorded: %s", entry.kind, entry.call_id, error)
