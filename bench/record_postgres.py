"""Calls that are recorded in PostgreSQL, on the cores that its server has to share. A program."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import uvloop
from record_writing import CALLERS, CLOCK, CPU_US, RATE, SECONDS, as_many_as_go, steady

from callgate.audit.keys import SigningKey
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from fakes.postgres import Postgres, a_database, a_server

RECORDS_PER_SECOND = 5000.0
KEY = SigningKey.generated("bench.example.com").text


async def with_store(url: str, measured: Callable[[RecordStore], Awaitable[Any]]) -> Any:
    store = RecordStore(StoreSettings(url=url, signing_key=KEY), CLOCK)
    await store.open()
    try:
        return await measured(store)
    finally:
        await store.close()


def server_seconds(server: Postgres) -> float:
    """CPU time of the server and of all its sessions that still live."""
    assert server.process is not None
    main = psutil.Process(server.process.pid)
    times = [one.cpu_times() for one in (main, *main.children(recursive=True))]
    # Of sessions that have ended, their parent knows.
    return sum(one.user + one.system for one in times) + sum(main.cpu_times()[2:4])


def main(rounds: int) -> None:
    cpu, of_server, late, most = [], [], [], []
    # It inherits our cores; it syncs, as servers do.
    with a_server() as server:
        for _ in range(rounds):
            with a_database(server.url) as url:
                alone, _ = uvloop.run(steady(None))
                before = server_seconds(server)
                recorded, waits = uvloop.run(with_store(url, steady))
                calls = RATE * SECONDS
                of_server.append((server_seconds(server) - before) / calls * 1e6)
            cpu.append((recorded - alone) * 1e6)
            late.append(statistics.quantiles(waits, n=100)[98] * 1e3)
            with a_database(server.url) as url:
                most.append(uvloop.run(with_store(url, as_many_as_go)))
    at_rate = f"at {RATE:,} calls/s"
    rows = [
        {"what": f"recording a call in PostgreSQL, {at_rate}", "found": cpu, "unit": "µs CPU",
         "most": CPU_US},
        {"what": f"the same in PostgreSQL's server, {at_rate}", "found": of_server,
         "unit": "µs CPU"},
        {"what": f"waiting for the intent in PostgreSQL, {at_rate}, p99", "found": late,
         "unit": "ms"},
        {"what": f"records written by {CALLERS} callers to PostgreSQL", "found": most,
         "unit": "records/s", "least": RECORDS_PER_SECOND},
    ]  # fmt: skip
    print(json.dumps(rows))


if __name__ == "__main__":
    main(int(sys.argv[-2]))
