"""Several gateways on one PostgreSQL, in processes of their own: killed, thrown out, restarted."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.verifying import Trust, verify
from callgate.storage.ledger_reading import open_log
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.clock import FakeClock
from fakes.kept import kept_at
from fakes.postgres import a_database, ask, terminate
from fakes.store import until

pytestmark = pytest.mark.e2e

GATEWAY = Path(__file__).parent.parent / "fakes" / "dying_gateway.py"
KEY = SigningKey.generated("records.example.com")
REPLICAS = 3
ROUNDS = 4


class Replica:
    """One gateway, and the marks of what it did."""

    def __init__(self, url: str, directory: Path, name: str) -> None:
        self.marks = directory / name
        self.marks.touch()
        self._process = subprocess.Popen(
            [sys.executable, str(GATEWAY), url, str(self.marks), name],
            env={**os.environ, "CALLGATE_SIGNING_KEY": KEY.text},
        )

    def done(self) -> set[str]:
        """The ids of the calls that it made; the last line may be cut off."""
        return set(self.marks.read_text().split("\n")[:-1])

    def goes_on(self) -> None:
        """Returns when it has made calls after now."""
        before = self.marks.stat().st_size
        asyncio.run(until(lambda: self._has_written(before + 200)))

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _has_written(self, size: int) -> bool:
        assert self._process.poll() is None
        return self.marks.stat().st_size > size


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


def settings(url: str) -> StoreSettings:
    return StoreSettings(url=url, signing_key=KEY.text)


async def start_and_close(url: str) -> None:
    store = RecordStore(settings(url), FakeClock())
    await store.open()
    await store.close()


def test_what_they_leave_is_one_record_that_holds(url: str, tmp_path: Path) -> None:
    chance = random.Random(7)
    started = [Replica(url, tmp_path, f"r{number}") for number in range(REPLICAS)]
    alive = list(started)
    try:
        for turn in range(ROUNDS):
            for replica in alive:
                replica.goes_on()
            if turn % 2:
                assert terminate(url) >= REPLICAS  # as when the server restarts
            else:
                dying = alive.pop(chance.randrange(len(alive)))
                dying.kill()
                alive.append(Replica(url, tmp_path, f"r{len(started)}"))
                started.append(alive[-1])
        for replica in alive:
            replica.goes_on()
    finally:
        for replica in alive:
            replica.kill()
    asyncio.run(start_and_close(url))

    made = set().union(*(replica.done() for replica in started))
    entries = [entry for _, entry in kept_at(settings(url)) if entry.kind != "event"]
    intents = Counter(entry.call_id for entry in entries if entry.kind == "intent")
    assert made <= set(intents)
    assert set(intents.values()) == {1}
    outcomes = Counter(entry.call_id for entry in entries if entry.kind == "outcome")
    assert set(outcomes.values()) == {1}
    assert set(intents) <= set(outcomes)
    assert verify(open_log(settings(url)), Trust(keys=(KEY.verifier,))).failures == ()
    (logs,) = ask(url, "SELECT count(*) FROM logs WHERE id > 0")[0]
    assert REPLICAS <= logs <= len(started) + ROUNDS
    assert ask(url, "SELECT count(*) FROM logs WHERE id > 0 AND ended_at IS NULL") == [(0,)]


def test_one_does_not_wait_for_another_that_hangs_in_its_transaction(
    url: str, tmp_path: Path
) -> None:
    first, second = Replica(url, tmp_path, "first"), Replica(url, tmp_path, "second")
    try:
        first.goes_on()
        second.goes_on()
        os.kill(first._process.pid, signal.SIGSTOP)
        second.goes_on()
        third = Replica(url, tmp_path, "third")
        try:
            third.goes_on()
        finally:
            third.kill()
        os.kill(first._process.pid, signal.SIGCONT)
        first.goes_on()
    finally:
        first.kill()
        second.kill()
