"""Large payloads are durable elsewhere before their entries are handed on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callgate.audit.record import Entry, Telling, content_of, indexed
from callgate.model import Reply
from callgate.ports import StoreError
from callgate.storage.blobs import doubting, placing
from callgate.storage.blobs.blob_store import digest_of
from callgate.storage.blobs.placing import PROBE, PlacingStore
from callgate.storage.retention import erasing
from fakes.blobs import FakeBlobs
from fakes.store import (
    FakeCallStore,
    an_intent,
    an_outcome,
    an_untold_intent,
    an_untold_outcome,
    until,
)

LARGE = {"note": "n" * 1000}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "RETRY_SECONDS", 0.005)


@asynccontextmanager
async def placed(
    store: FakeCallStore, blobs: FakeBlobs, **more: Any
) -> AsyncIterator[PlacingStore]:
    settings: dict[str, Any] = {"inline_bytes": 500, "timeout_seconds": 30.0, **more}
    made = PlacingStore(store, blobs, **settings)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


def a_large_intent(call_id: str = "c1") -> Entry:
    return an_intent(call_id, arguments={**LARGE, "id": call_id})


def a_large_outcome(call_id: str = "c1") -> Entry:
    return an_outcome(call_id, reply=Reply(body=b'{"content":"%s"}' % (call_id.encode() * 500)))


class Handed(FakeCallStore):
    """Remembers what it was handed."""

    def __init__(self) -> None:
        super().__init__()
        self.handed: list[Telling] = []

    async def append(self, entry: Telling) -> None:
        self.handed.append(entry)
        await super().append(entry)

    def append_soon(self, entry: Telling) -> None:
        self.handed.append(entry)
        super().append_soon(entry)


def test_what_is_certainly_small_is_handed_on_untold() -> None:
    store, blobs = Handed(), FakeBlobs()
    small: list[Telling] = [an_untold_intent("c1"), an_untold_outcome("c1")]
    large = (
        an_untold_intent("c2", arguments=LARGE),
        an_untold_outcome("c2", reply=Reply(body=b"7" * 600)),
    )

    async def play() -> None:
        async with placed(store, blobs) as made:
            for intent, outcome in (small, large):
                await made.append(intent)
                made.append_soon(outcome)

    asyncio.run(play())
    assert store.handed[:2] == small
    assert [type(one) for one in store.handed[2:]] == [Entry, Entry]
    assert [entry.payload for entry in store.kept[2:]] == [None, None]
    assert len(blobs.contents) == 2


def test_small_payloads_stay_with_their_entries() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            await made.append(an_intent("c1"))
            made.append_soon(an_outcome("c1"))

    asyncio.run(play())
    assert [entry.payload is None for entry in store.kept] == [False, False]
    assert blobs.contents == {}


def test_a_large_payload_is_kept_under_its_digest_before_the_entry_is() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()
    entry = a_large_intent()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.hold()
            waiting = asyncio.ensure_future(made.append(entry))
            await until(lambda: blobs.asked == 1)
            assert store.kept == []
            blobs.release()
            await waiting

    asyncio.run(play())
    (kept,) = store.kept
    assert (kept.payload, kept.body, indexed(kept.body)) == (None, entry.body, kept)
    assert blobs.contents == {digest_of(entry.payload or b""): entry.payload}


def test_large_outcomes_follow_in_their_order() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            for number in range(30):
                made.append_soon(a_large_outcome(f"c{number}"))
            await until(lambda: len(store.kept) == 30)

    asyncio.run(play())
    assert [entry.call_id for entry in store.kept] == [f"c{number}" for number in range(30)]
    assert len(blobs.contents) == 30


def test_while_payloads_cannot_be_kept_no_call_goes_out_and_no_outcome_is_lost() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.fail()
            with pytest.raises(StoreError, match="bucket gone"):
                await made.append(a_large_intent("c1"))
            with pytest.raises(StoreError, match="bucket gone"):
                await made.append(an_intent("c2"))  # its result may be large
            assert (made.is_healthy, made.fault) == (False, "fake: bucket gone")
            made.append_soon(a_large_outcome("c3"))
            made.append_soon(an_outcome("c4"))
            assert [entry.call_id for entry in store.kept] == ["c4"]
            blobs.mend()
            await until(lambda: made.is_healthy and len(store.kept) == 2)
            await made.append(a_large_intent("c5"))

    asyncio.run(play())
    assert [entry.call_id for entry in store.kept] == ["c4", "c3", "c5"]


def test_it_notices_by_itself_that_it_works_again() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.fail()
            with pytest.raises(StoreError):
                await made.append(a_large_intent())
            blobs.mend()
            await until(lambda: made.is_healthy)

    asyncio.run(play())
    assert list(blobs.contents.values()) == [PROBE]


def test_who_does_not_answer_counts_as_failed() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs, timeout_seconds=0.01) as made:
            blobs.hold()
            with pytest.raises(StoreError, match="fake has not answered for 0 s"):
                await made.append(a_large_intent())
            blobs.release()

    asyncio.run(play())
    assert store.kept == []


def test_a_fault_of_ours_counts_as_failed() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()
    blobs.put = None  # type: ignore[assignment,method-assign] # what cannot be called

    async def play() -> None:
        async with placed(store, blobs) as made:
            with pytest.raises(StoreError, match="fake: TypeError"):
                await made.append(a_large_intent())

    asyncio.run(play())


def test_what_waits_is_bounded_and_what_is_beyond_is_recorded_without_its_payload(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(placing, "MAX_WAITING", 2)
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.fail()
            for number in range(3):
                made.append_soon(a_large_outcome(f"c{number}"))
            (lost,) = store.kept
            told = content_of(lost)
            assert (lost.call_id, told["payload_lost"]["why"]) == ("c2", "fake is too slow")
            assert told["payload_lost"]["sha256"] == digest_of(a_large_outcome("c2").payload or b"")
            assert told["result"]["bytes"] > 500
            assert indexed(lost.body) == lost
            blobs.mend()
            await until(lambda: len(store.kept) == 3)

    asyncio.run(play())
    assert "the payload of outcome c2 is lost: fake is too slow" in caplog.text


def test_no_large_call_begins_while_many_bytes_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "MAX_WAITING_BYTES", 2000)
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.hold()
            made.append_soon(a_large_outcome("c1"))
            with pytest.raises(StoreError, match="fake is too slow: 1 wait for it"):
                await made.append(a_large_intent("c2"))
            blobs.release()
            await until(lambda: len(store.kept) == 1)

    asyncio.run(play())


def test_what_waits_when_the_gateway_ends_is_put_or_recorded_without_its_payload() -> None:
    for is_mended in (True, False):
        store, blobs = FakeCallStore(), FakeBlobs()

        async def play(
            store: FakeCallStore = store, blobs: FakeBlobs = blobs, is_mended: bool = is_mended
        ) -> None:
            async with placed(store, blobs) as made:
                blobs.fail()
                made.append_soon(a_large_outcome("c1"))
                await until(lambda: not made.is_healthy)
                if is_mended:
                    blobs.mend()

        asyncio.run(play())
        (kept,) = store.kept
        assert ("payload_lost" in content_of(kept)) is not is_mended
        assert blobs.is_closed


def test_once_closed_nothing_is_taken() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            pass
        with pytest.raises(StoreError):
            made.append_soon(a_large_outcome())
        with pytest.raises(StoreError):
            await made.append(a_large_intent())
        with pytest.raises(StoreError):
            await made.append(an_intent())

    asyncio.run(play())
    assert store.kept == []


def test_an_attempt_that_began_before_the_end_is_not_the_last() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            blobs.failures = 1
            blobs.hold()
            made.append_soon(a_large_outcome("c1"))
            await until(lambda: blobs.asked == 1)
            closing = asyncio.ensure_future(made.close())
            await asyncio.sleep(0)
            blobs.release()
            await closing

    asyncio.run(play())
    (kept,) = store.kept
    assert "payload_lost" not in content_of(kept)
    assert blobs.asked == 2


def test_what_an_entry_that_waits_for_the_record_refers_to_is_put_again_when_it_is_there() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()
    entry = a_large_outcome("c1")
    digest = digest_of(entry.payload or b"")

    async def play() -> None:
        async with placed(store, blobs) as made:
            store.fail()
            made.append_soon(entry)
            await until(lambda: len(store._queued) == 1)
            blobs.set_aside(digest)  # nobody refers to it yet
            blobs.delete(digest)
            store.mend()
            await until(lambda: digest in blobs.contents)

    asyncio.run(play())
    assert [entry.call_id for entry in store.kept] == ["c1"]


class Unnoticed(FakeCallStore):
    """Does not take what it is handed, and does not know it yet."""

    is_noticed = False

    @property
    def fault(self) -> str | None:
        return self._fault if self.is_noticed else None


async def _erased(store: FakeCallStore, blobs: FakeBlobs, digest: str) -> None:
    """Once the entry is handed on, whoever erases finds nobody who refers to its payload."""
    await until(lambda: len(store._queued) == 1)
    blobs.set_aside(digest)
    blobs.delete(digest)


@pytest.mark.parametrize("is_noticed", [True, False])
def test_what_the_record_takes_late_is_put_again_whether_its_fault_is_noticed_or_not(
    is_noticed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, blobs, entry = Unnoticed(), FakeBlobs(), a_large_outcome("c1")
    digest = digest_of(entry.payload or b"")
    if not is_noticed:
        monkeypatch.setattr(doubting, "AGAIN_SECONDS", 0.01)

    async def play() -> None:
        async with placed(store, blobs) as made:
            store.fail()
            made.append_soon(entry)
            await _erased(store, blobs, digest)
            if is_noticed:
                store.is_noticed = True
                await until(lambda: made._doubts.due(0.0) is not None)
            store.mend()
            await until(lambda: digest in blobs.contents)

    asyncio.run(play())


def test_what_was_written_before_an_intent_is_not_put_again() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            made.append_soon(a_large_outcome("c1"))
            await until(lambda: bool(made._doubts))
            await made.append(an_intent("c2"))
            assert not made._doubts
            made.append_soon(a_large_outcome("c3"))
            await until(lambda: bool(made._doubts))
            await made.append(a_large_intent("c4"))
            assert not made._doubts

    asyncio.run(play())
    assert blobs.asked == 3


def test_a_large_intent_that_may_be_written_yet_is_in_doubt() -> None:
    store, blobs, entry = Unnoticed(), FakeBlobs(), a_large_intent("c1")

    async def play() -> None:
        async with placed(store, blobs) as made:
            store.fail()
            with pytest.raises(StoreError, match="disk full"):
                await made.append(entry)
            assert made._doubts
            store.is_noticed = True
            store.mend()

    asyncio.run(play())


def test_a_large_intent_that_the_record_did_not_take_is_not() -> None:
    store, blobs = FakeCallStore(), FakeBlobs()

    async def play() -> None:
        async with placed(store, blobs) as made:
            store.fail()
            with pytest.raises(StoreError, match="disk full"):
                await made.append(a_large_intent("c1"))
            assert not made._doubts

    asyncio.run(play())


def test_what_the_record_takes_when_it_is_closed_is_put_again() -> None:
    store, blobs, entry = FakeCallStore(), FakeBlobs(), a_large_outcome("c1")
    digest = digest_of(entry.payload or b"")

    async def play() -> None:
        async with placed(store, blobs) as made:
            store.fail()
            made.append_soon(entry)
            await _erased(store, blobs, digest)
            await until(lambda: made._doubts.due(0.0) is not None)

    asyncio.run(play())
    assert digest in blobs.contents
    assert blobs.is_closed


def test_who_erases_waits_longer_than_writers_take_until_they_put_again() -> None:
    assert doubting.AGAIN_SECONDS + 2.0 < erasing.GRACE_SECONDS
