"""Calls that are recorded at a steady rate, and as many as will go, on SQLite. A program."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvloop
from msgspec.structs import replace

from callgate.app.clock import SystemClock
from callgate.audit import telling
from callgate.audit.keeping import Keeping
from callgate.audit.record import Entry
from callgate.model import Call, Era, Outcome, Principal, Proof, Ran, Reply, Tool, Verdict
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore

RATE = 1000  # calls in a second
SECONDS = 4.0  # of one turn
CALLERS = 64  # at once, where as many go as will
TARGET_SECONDS = 0.004  # how long a target takes to answer
CPU_US = 60.0
RECORDS_PER_SECOND = 2000.0
KEEPING = Keeping()
CLOCK = SystemClock()

STAGES = (
    "identify", "resolve", "admit", "intercept_request", "authorize", "record_intent", "forward",
    "intercept_response",
)  # fmt: skip
TIMINGS = dict.fromkeys(STAGES, 0.000_1)
SCHEMA = {"type": "object", "properties": {"order": {"type": "string"}}}
TOOL = Tool(
    target="shop",
    name="refund",
    definition={"name": "refund", "inputSchema": SCHEMA},
    digest="5" * 64,
)
PRINCIPAL = Principal(
    id="ada@example.com", issuer="https://idp.example.com", kind="jwt", groups=("ops", "leads")
)
PLACES = {f"refunds-{number}": f"policies/shop.cedar:{number}" for number in (3, 17)}
VERDICT = Verdict(is_permitted=True, policies=tuple(PLACES), reason="", version="6" * 64)
TEXT = "The order was sent to the customer and a refund of 480 euros is on its way. " * 11
REPLY = Reply(body=json.dumps({"content": [{"type": "text", "text": TEXT}]}).encode())


def a_call(number: int) -> Call:
    arguments = {"order": f"A-{number:08d}", "amount": 480, "note": TEXT[:400]}
    return Call(
        id=f"c{int(time.time() * 1000):012x}{number:016x}",
        received_at=CLOCK.now(),
        era=Era.MODERN,
        protocol_version="2026-07-28",
        proof=Proof(),
        requested_name="shop___refund",
        principal=PRINCIPAL,
        tool=TOOL,
        arguments=arguments,
        sealed=json.dumps(arguments).encode(),
        sealed_digest="7" * 64,
        verdict=VERDICT,
        session_id="s" * 32,
    )


def ended(call: Call) -> Outcome:
    answered = replace(call, reply=REPLY, ran=Ran.YES)
    return Outcome(call=answered, timings=TIMINGS, refusal_code=None, reason="", is_delivered=True)


async def govern(number: int, store: RecordStore | None, waits: list[float]) -> None:
    """All of a call that is not its record is there without it, too."""
    call = a_call(number)
    if store is None:
        await asyncio.sleep(TARGET_SECONDS)
        ended(call)
        return
    begun = time.perf_counter()
    await store.append(telling.Intended(call=call, at=CLOCK.now(), keeping=KEEPING))
    waits.append(time.perf_counter() - begun)
    await asyncio.sleep(TARGET_SECONDS)
    store.append_soon(telling.Ended(outcome=ended(call), at=CLOCK.now(), keeping=KEEPING))


async def steady(store: RecordStore | None) -> tuple[float, list[float]]:
    """CPU seconds for each call, and how long each waited for its intent."""
    waits: list[float] = []
    calls = int(RATE * SECONDS)
    begun, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as group:
        for number in range(calls):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
            group.create_task(govern(number, store, waits))
    return (time.process_time() - cpu) / calls, waits


async def as_many_as_go(store: RecordStore) -> float:
    """Records in a second, written and durable."""
    records = 0
    until = time.perf_counter() + SECONDS

    async def caller(first: int) -> None:
        nonlocal records
        number = first
        while time.perf_counter() < until:
            call = a_call(number)
            await store.append(telling.Intended(call=call, at=CLOCK.now(), keeping=KEEPING))
            store.append_soon(telling.Ended(outcome=ended(call), at=CLOCK.now(), keeping=KEEPING))
            number += CALLERS
            records += 2

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for first in range(CALLERS):
            group.create_task(caller(first))
    return records / (time.perf_counter() - begun)


async def with_store(file: Path, measured: Callable[[RecordStore], Awaitable[object]]) -> object:
    store = RecordStore(StoreSettings(path=file), CLOCK)
    await store.open()
    try:
        return await measured(store)
    finally:
        await store.close()


def size_of(entry: Entry) -> int:
    return len(entry.body) + len(entry.payload or b"")


def main(rounds: int, scratch: Path) -> None:
    gc.set_threshold(50_000)  # as the gateway does
    cpu, middle, late, most = [], [], [], []
    for turn in range(rounds):
        alone, _ = uvloop.run(steady(None))
        found = uvloop.run(with_store(scratch / f"steady{turn}.db", steady))
        recorded, waits = found  # type: ignore[misc] # what `steady` returns
        cpu.append((recorded - alone) * 1e6)
        middle.append(statistics.median(waits) * 1e3)
        late.append(statistics.quantiles(waits, n=100)[98] * 1e3)
        most.append(uvloop.run(with_store(scratch / f"most{turn}.db", as_many_as_go)))
    call = a_call(1)
    entries = (telling.intent(call, 0.0, KEEPING), telling.outcome(ended(call), 0.0, KEEPING))
    sizes = " and ".join(f"{size_of(entry):,} bytes" for entry in entries)
    at_rate = f"at {RATE:,} calls/s"
    rows = [
        {"what": f"recording a call ({sizes}), {at_rate}", "found": cpu, "unit": "µs CPU",
         "most": CPU_US},
        {"what": f"waiting for the intent, {at_rate}, p50", "found": middle, "unit": "ms"},
        {"what": f"waiting for the intent, {at_rate}, p99", "found": late, "unit": "ms"},
        {"what": f"records written by {CALLERS} callers", "found": most, "unit": "records/s",
         "least": RECORDS_PER_SECOND},
    ]  # fmt: skip
    print(json.dumps(rows))


if __name__ == "__main__":
    main(int(sys.argv[-2]), Path(sys.argv[-1]))
