from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path

import msgspec
import pytest

from callgate.audit.record import INTERRUPTED_REASON, Entry, interrupted
from callgate.audit.verifying import Trust, verify
from callgate.storage.appending import Appender
from callgate.storage.databases import database_of
from callgate.storage.ledger_reading import open_log
from callgate.storage.liveness import lock_path
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys
from callgate.storage.store import RecordStore
from fakes import kept as keeping
from fakes.clock import FakeClock
from fakes.logs import kept_logs
from fakes.store import an_intent, an_outcome

DYING_GATEWAY = Path(__file__).parent.parent / "fakes" / "dying_gateway.py"


def an_appender(path: Path) -> Appender:
    settings = StoreSettings(path=path)
    return Appender(settings, database_of(settings), FakeClock(now=1_790_000_100.0))


def leave_behind(path: Path, *entries: Entry) -> None:
    """What a gateway leaves that wrote these entries and then died."""
    appender = an_appender(path)
    appender.open()
    appender.write(entries)
    with closing(sqlite3.connect(path)) as connection:
        (token,) = connection.execute("SELECT token FROM logs ORDER BY id DESC").fetchone()
    appender.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "UPDATE logs SET ended_at = NULL, settled_seq = 0 WHERE token = ?", (token,)
        )
    lock_path(path, token).touch()


def kept(path: Path) -> list[Entry]:
    settings = StoreSettings(path=path)
    kept_logs(settings)  # every one holds
    return keeping.kept(settings)


def test_calls_left_open_by_a_dead_gateway_become_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    left = [an_intent("c1"), an_intent("c2"), an_outcome("c1"), an_intent("c3")]
    leave_behind(path, *left)
    appender = an_appender(path)
    assert appender.open() == 2
    appender.close()
    expected = [interrupted(intent.body, 1_790_000_100.0) for intent in (left[1], left[3])]
    assert kept(path) == [*left, *expected]
    said = msgspec.json.decode(expected[0].body)
    assert (said["code"], said["ran"], said["delivered"]) == ("interrupted", "unknown", False)
    assert said["reason"] == INTERRUPTED_REASON


def test_recovery_happens_once(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    leave_behind(path, an_intent("c1"))
    for expected in (1, 0, 0):
        appender = an_appender(path)
        assert appender.open() == expected
        appender.close()
    assert len(kept(path)) == 2
    assert not list(tmp_path.glob("r.db-writer-*"))


def test_calls_of_a_gateway_that_lives_are_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    alive, other = an_appender(path), an_appender(path)
    alive.open()
    alive.write([an_intent("c1")])
    assert other.open() == 0
    alive.write([an_outcome("c1")])
    alive.close()
    other.close()
    assert kept(path) == [an_intent("c1"), an_outcome("c1")]


def test_outcome_that_another_gateway_wrote_counts(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    leave_behind(path, an_intent("c1"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE logs SET ended_at = 1")
    leave_behind(path, an_outcome("c1"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE logs SET ended_at = NULL")
    appender = an_appender(path)
    assert appender.open() == 0
    appender.close()


def test_gateway_that_closes_with_open_calls_leaves_them_to_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    first, second = an_appender(path), an_appender(path)
    first.open()
    first.write([an_intent("c1")])
    first.close()
    assert second.open() == 1
    second.close()


@pytest.mark.parametrize("body", ["'nothing'", "x'ff'", "CAST(x'ff' AS TEXT)", "7"])
def test_tampered_intent_does_not_keep_the_gateway_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, body: str
) -> None:
    path = tmp_path / "r.db"
    leave_behind(path, an_intent("c1"), an_intent("c2"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"UPDATE records SET body = {body} WHERE call_id = 'c1'")
    appender = an_appender(path)
    assert appender.open() == 1
    appender.close()
    assert "cannot be read" in caplog.text


@pytest.mark.e2e
def test_every_side_effect_has_its_intent_whenever_the_gateway_is_killed(tmp_path: Path) -> None:
    path, marks = tmp_path / "r.db", tmp_path / "marks"
    chance = random.Random(7)
    for life in range(6):
        command = [sys.executable, str(DYING_GATEWAY), str(path), str(marks), f"life{life}"]
        with subprocess.Popen(command) as process:
            wanted = _size(marks) + chance.randrange(1, 20_000)
            while _size(marks) < wanted and process.poll() is None:
                time.sleep(0.0005)
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
    marked = {line for line in marks.read_text().splitlines(keepends=True) if line.endswith("\n")}
    before = kept(path)
    assert {mark.strip() for mark in marked} <= {e.call_id for e in before if e.kind == "intent"}
    asyncio.run(_open_and_close(path))
    after = kept(path)
    ended = {entry.call_id for entry in before if entry.kind == "outcome"}
    left_open = [e.call_id for e in before if e.kind == "intent" and e.call_id not in ended]
    assert [e.call_id for e in after[len(before) :]] == [c for c in left_open if "life5" in c]
    outcomes = [entry.call_id for entry in after if entry.kind == "outcome"]
    assert sorted(outcomes) == sorted(e.call_id for e in after if e.kind == "intent")
    assert any(entry.code == "interrupted" for entry in before)


@pytest.mark.e2e
def test_gateways_that_share_a_file_and_are_killed_leave_logs_that_prove_themselves(
    tmp_path: Path,
) -> None:
    path, marks = tmp_path / "r.db", tmp_path / "marks"
    chance = random.Random(11)
    with ExitStack() as stack:
        living = [_gateway(stack, path, marks, f"first{number}") for number in range(3)]
        for generation in range(4):
            wanted = _size(marks) + chance.randrange(5_000, 20_000)
            while _size(marks) < wanted and all(one.poll() is None for one in living):
                time.sleep(0.0005)
            victim = living.pop(0)
            victim.kill()
            victim.wait()
            assert victim.returncode == -signal.SIGKILL
            living.append(_gateway(stack, path, marks, f"then{generation}"))
        for one in living:
            one.kill()
            one.wait()
    asyncio.run(_open_and_close(path))
    settings = StoreSettings(path=path)
    with closing(open_log(settings)) as reader:
        keys = Keys(settings, reader.origin).current
        found = verify(reader, Trust(keys=tuple(key.verifier for key in keys)))
    assert found.failures == ()
    assert [(log.log, log.size) for log in found.logs] == [
        (log.log, log.covered) for log in found.logs
    ]
    entries = kept(path)
    marked = {line for line in marks.read_text().splitlines(keepends=True) if line.endswith("\n")}
    intents = [entry.call_id for entry in entries if entry.kind == "intent"]
    assert {mark.strip() for mark in marked} <= set(intents)
    outcomes = [entry.call_id for entry in entries if entry.kind == "outcome"]
    assert sorted(outcomes) == sorted(intents)


def _gateway(stack: ExitStack, path: Path, marks: Path, prefix: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(DYING_GATEWAY), str(path), str(marks), prefix]
    process = stack.enter_context(subprocess.Popen(command))
    stack.callback(process.kill)  # before it is waited for
    return process


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _open_and_close(path: Path) -> None:
    store = RecordStore(StoreSettings(path=path), FakeClock())
    await store.open()
    await store.close()
