"""How fast something is found among 10 million records: pages by filters, words, whole scans."""

from __future__ import annotations

import gc
import itertools
import json
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from record_world import BEGIN, EVERY_SECONDS, fill, vocabulary

from callgate.audit.questions import Condition
from callgate.ports import CallFilter
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings

RECORDS = int(os.environ.get("CALLGATE_BENCH_RECORDS", 10_000_000))
RECORDS_OF_CALL = 1.94  # of the generated world
BYTES_OF_RECORD = 2600  # with its index, and room to write it
FEW = 1_000_000  # where the disk is too small
PAGES = 50  # for each filter
SCANNED = 200_000


def main() -> None:
    rounds, directory = int(sys.argv[1]), Path(sys.argv[2])
    wanted = RECORDS
    if shutil.disk_usage(directory).free < wanted * BYTES_OF_RECORD:
        wanted = FEW
    calls = int(wanted / RECORDS_OF_CALL)
    path = directory / "record.db"
    count = fill(path, calls)
    records = Records(StoreSettings(path=path))
    said(f"{count:,} records written")
    rows = [indexed(records)]
    millions = f"{count / 1e6:.0f} million records"
    for what, chosen in filters(calls):
        took = [time_of(lambda chosen=chosen: records.calls(chosen)) for _ in range(PAGES)]
        at = statistics.quantiles(took, n=100)
        rows.append(row(f"a page by {what}, {millions}, p50", [at[49] * 1e3], "ms", most=200))
        rows.append(row(f"a page by {what}, {millions}, p99", [at[98] * 1e3], "ms", most=200))
    rows += [
        row("entries decoded and held against their hashes", rates(rounds, records.scan), "1/s"),
        row("calls joined of their entries", rates(rounds, records.scan_calls), "1/s"),
    ]
    print(json.dumps(rows))


def filters(calls: int) -> Iterator[tuple[str, CallFilter]]:
    """What is common, what is rare, and what is common but rarely meets."""
    words = vocabulary(20_000)
    middle = BEGIN + calls * EVERY_SECONDS / 2
    yield "nothing", CallFilter()
    yield "a common principal", CallFilter(principal="p0@example.com")
    yield "a rare principal", CallFilter(principal="p1999@example.com")
    yield "nobody", CallFilter(principal="nobody")
    yield (
        "a principal and a tool that rarely meet",
        CallFilter(principal="p0@example.com", tool="t0"),
    )
    yield "a code of one call in a million", CallFilter(code="record_unavailable")
    yield (
        "refusals of one tenant by one policy",
        CallFilter(is_refused=True, tenant="tenant-3", policy="policy-2"),
    )
    yield "an argument's value", CallFilter(where=(Condition.parse("arguments.customer=cust-777"),))
    yield (
        "an hour long ago, and a label",
        CallFilter(since=middle, until=middle + 3600, label="pii"),
    )
    yield "a common word", CallFilter(text=words[0])
    yield "a rare word", CallFilter(text=words[-1])
    yield "a phrase", CallFilter(text=f'"{words[0]} {words[5]}"')
    yield "a word that is nowhere", CallFilter(text="xyzzy")
    yield (
        "a common word of a rare principal",
        CallFilter(text=words[3], principal="p1999@example.com"),
    )


def indexed(records: Records) -> dict[str, Any]:
    """What the index costs, which is built in a process of its own."""
    start, count = time.process_time(), 0
    while done := records.catch_up(1 << 17):
        count += done
        said(f"{count:,} records indexed")
    cost = (time.process_time() - start) / max(1, count)
    return row("to index a record, beside the gateway", [cost * 1e6], "µs CPU")


def rates(rounds: int, walk: Callable[[dict[int, int]], Iterator[Any]]) -> list[float]:
    """Entries or calls a second, each round."""
    found = []
    for _ in range(rounds):
        gc.collect()
        start = time.perf_counter()
        count = sum(1 for _ in itertools.islice(walk({}), SCANNED))
        found.append(count / (time.perf_counter() - start))
    return found


def time_of(ask: Callable[[], object]) -> float:
    """In seconds."""
    start = time.perf_counter()
    ask()
    return time.perf_counter() - start


def row(what: str, found: Sequence[float], unit: str, **limit: float) -> dict[str, Any]:
    """As bench/record.py reads it."""
    return {"what": what, "found": list(found), "unit": unit, **limit}


def said(text: str) -> None:
    """For whoever waits."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
