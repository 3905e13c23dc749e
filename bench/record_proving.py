"""The record proved: all of it, single calls, and as a bundle, from a file on disk. A program."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path

from msgspec.structs import replace
from record_world import BEGIN, EVERY_SECONDS
from record_writing import KEEPING, a_call, ended

from callgate.app.clock import SystemClock
from callgate.audit import telling
from callgate.audit.bundle import BundleReader, write_bundle
from callgate.audit.checkpoints import read_checkpoint
from callgate.audit.log_reader import LogReader
from callgate.audit.record import Entry
from callgate.audit.rotation import read_keys
from callgate.audit.tiles import Tree
from callgate.audit.verifying import Trust, verify
from callgate.storage.appending import GROUP, Appender
from callgate.storage.databases import database_of
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import key_text

CALLS = 100_000
PER_SECOND = 1_000_000 / 60  # records: a million in a minute
PROOF_MS = 10.0
PROOFS = 200


def entries() -> Iterator[Entry]:
    for number in range(CALLS):
        at = BEGIN + number * EVERY_SECONDS
        call = replace(a_call(number), id=f"c{number:028x}", received_at=at)
        yield telling.intent(call, at, KEEPING)
        yield telling.outcome(ended(call), at, KEEPING)


def fill(settings: StoreSettings) -> None:
    """As a gateway does, which signs each second."""
    appender = Appender(settings, database_of(settings), SystemClock())
    appender.open()
    for group in batched(entries(), GROUP):
        appender.write(group)
        if appender.due_seconds() == 0:
            appender.tend()
    appender.close()


def batched(every: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    while group := list(islice(every, size)):
        yield group


def timed(work: Callable[[], object]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def prove(reader: LogReader, proof: Callable[[Tree, int], object]) -> list[float]:
    """Milliseconds of CPU for each proof with its root, of a tree that knows no tile yet."""
    (kept,) = reader.checkpoints(1, 1)
    size = read_checkpoint(kept.note)[0].size
    chosen = random.Random(1)

    def once() -> None:
        tree = Tree(reader.hashes(1), size)
        proof(tree, chosen.randrange(1, size))
        tree.root()

    return [timed(once) * 1e3 for _ in range(PROOFS)]


def late(found: list[float]) -> float:
    return sorted(found)[int(len(found) * 0.99)]


def main(rounds: int, scratch: Path) -> None:
    settings = StoreSettings(path=scratch / "proved.db", synchronous="normal")
    fill(settings)
    reader = open_log(settings)
    trust = Trust(keys=tuple(key.verifier for key in read_keys(key_text(settings), reader.origin)))

    def verified(of: LogReader) -> None:
        result = verify(of, trust)
        assert result.holds and result.records > 2 * CALLS, result.failures[:1]

    out = BytesIO()
    write_bundle(reader, out.write, made_at="", has_payloads=True)
    records = sum(map(reader.size, reader.logs()))
    whole, bundled, inclusion, consistency = [], [], [], []
    for _ in range(rounds):
        whole.append(records / timed(lambda: verified(reader)))
        bundled.append(
            records / timed(lambda: verified(BundleReader(BytesIO(out.getvalue()), "bundle")))
        )
        inclusion.append(late(prove(reader, Tree.inclusion)))
        consistency.append(late(prove(reader, Tree.consistency)))
    of = f"of {records:,} records"
    print(json.dumps([
        {"what": f"verifying the store, {of}", "found": whole, "unit": "records/s CPU",
         "least": PER_SECOND},
        {"what": f"verifying a bundle ({len(out.getvalue()) >> 20} MiB), {of}", "found": bundled,
         "unit": "records/s CPU", "least": PER_SECOND},
        {"what": "proof that a record is in its log, p99", "found": inclusion, "unit": "ms CPU",
         "most": PROOF_MS},
        {"what": "proof that a log goes on from an earlier size, p99", "found": consistency,
         "unit": "ms CPU", "most": PROOF_MS},
    ]))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[-2]), Path(sys.argv[-1]))
