"""Under load the gateway is killed, its disk is full or replaced, its clock steps: what is recorded.

The target notes on its own side what it does; after each fault the record is held against that, and
against what the clients were answered.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from callgate.audit.keys import SigningKey
from callgate.storage.settings import StoreSettings
from fakes.load import (
    ACTS,
    DONE,
    GONE,
    PERMIT,
    SERVER,
    Load,
    Recorded,
    command,
    executed,
    read_every_way,
)
from fakes.logs import sizes
from fakes.postgres import a_server
from fakes.running import Running, fetch, running
from fakes.slow_disk import a_slow_disk

pytestmark = pytest.mark.e2e

CONFIG = """
identity: {anonymous: true}
store: {STORE}
targets:
  acts: {TARGET}
policies: {files: [all.cedar]}
"""
IN_THE_GATEWAY = "{python: acts}"
BESIDE_IT = f"{{command: [{sys.executable}, server.py]}}"
UNAVAILABLE = "record_unavailable"
STEPPING = Path(__file__).parent.parent / "fakes" / "stepping_gateway.py"


def a_gateway(
    directory: Path,
    store: str = "{path: callgate.db}",
    target: str = IN_THE_GATEWAY,
    program: Sequence[str] = (),
) -> Any:
    text = CONFIG.replace("STORE", store.strip("{}")).replace("TARGET", target.strip("{}"))
    return running(directory, text, program, acts__py=ACTS, server__py=SERVER, all__cedar=PERMIT)


def hold_to_account(directory: Path, load: Load, *places: StoreSettings) -> Recorded:
    """The record, once it is what the target and the clients say."""
    recorded = Recorded(*(places or [StoreSettings(path=directory / "callgate.db")]))
    assert recorded.differs(executed(directory), load.answers) == []
    return recorded


def is_told_whole(directory: Path, recorded: Recorded) -> None:
    """By the commands; and its proofs hold."""
    told = {call["call"] for call in read_every_way(directory)}
    assert set(recorded.outcomes) <= told


def test_whenever_it_is_killed_its_record_is_what_its_targets_did(tmp_path: Path) -> None:
    chance, load = random.Random(6), Load()
    for life in range(2):
        with a_gateway(tmp_path, target=BESIDE_IT) as gateway, load.on(gateway, f"life{life}"):
            load.await_more(DONE, 1)
            load.await_more(DONE, chance.randrange(1, 60))
            gateway.stop(signal.SIGKILL)

    with a_gateway(tmp_path) as gateway:
        assert load.call(gateway, "last") == DONE
        recorded = Recorded(StoreSettings(path=tmp_path / "callgate.db"))
        is_told_whole(tmp_path, recorded)
        gateway.stop()
    recorded = hold_to_account(tmp_path, load)
    codes = {outcome["code"] for (outcome,) in recorded.outcomes.values()}
    assert codes <= {"ok", "interrupted"}
    assert load.count(GONE) > 0


def test_what_it_refuses_while_it_stops_is_recorded_too(tmp_path: Path) -> None:
    load = Load()
    with a_gateway(tmp_path) as gateway, load.on(gateway, "stopping"):
        load.await_more(DONE, 20)
        gateway.stop()
    assert [line for line in gateway.log if "could not be recorded" in line] == []
    query = "SELECT count(*) FROM records WHERE kind = 'outcome' AND code = 'shutting_down'"
    with closing(sqlite3.connect(tmp_path / "callgate.db")) as connection:
        ((refused,),) = connection.execute(query)
    assert refused >= load.count("shutting_down")
    hold_to_account(tmp_path, load)


@contextmanager
def no_file_grows(gateway: Running, database: Path) -> Iterator[None]:
    """For this process the disk is full: no file may grow beyond what the journal has now."""
    journal = database.with_name(database.name + "-wal")
    limit = max(journal.stat().st_size, executed_bytes(database.parent) + 65_536)
    _, hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (hard, hard))


def executed_bytes(directory: Path) -> int:
    return (directory / "executed.txt").stat().st_size


@contextmanager
def a_disk(directory: Path, size: str) -> Iterator[Path]:
    """A file system of its own, which can be filled and made read-only."""
    place = directory / "disk"
    place.mkdir()
    if os.geteuid() != 0 or mount("-t", "tmpfs", "-o", f"size={size}", "none", str(place)):
        pytest.skip("this needs the right to mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def mount(*arguments: str) -> int:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode


@contextmanager
def full(disk: Path) -> Iterator[None]:
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        ballast.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_while_no_file_can_grow_nothing_is_called_and_nothing_forgotten(tmp_path: Path) -> None:
    load = Load()
    with a_gateway(tmp_path) as gateway:
        with load.on(gateway, "load"):
            load.await_more(DONE, 20)
            with no_file_grows(gateway, tmp_path / "callgate.db"):
                load.await_more(UNAVAILABLE, 30)
                assert fetch(gateway.control + "/readyz")[0] == 503
            load.await_more(DONE, 20)
        gateway.stop()
    recorded = hold_to_account(tmp_path, load)
    told = {recorded.names[call] for call in recorded.outcomes}
    assert load.answers.keys() <= told  # also every refusal, once there was room

    is_told_whole(tmp_path, recorded)


def test_a_gateway_that_dies_on_a_full_disk_leaves_no_call_without_its_record(
    tmp_path: Path,
) -> None:
    load = Load()
    with a_disk(tmp_path, "6m") as disk:
        store, settings = "{path: disk/callgate.db}", StoreSettings(path=disk / "callgate.db")
        with a_gateway(tmp_path, store) as gateway, load.on(gateway, "load"):
            load.await_more(DONE, 10)
            with full(disk):
                load.await_more(UNAVAILABLE, 20)
                gateway.stop(signal.SIGKILL)
        with full(disk), a_gateway(tmp_path, store) as gateway:
            read_every_way(tmp_path)
            assert gateway.process.wait(180) != 0  # it cannot end the calls of the one that died
            gateway.await_log("disk is full|cannot be|could not")
        with a_gateway(tmp_path, store) as gateway:
            assert load.call(gateway, "last") == DONE
            is_told_whole(tmp_path, Recorded(settings))
            gateway.stop()
        hold_to_account(tmp_path, load, settings)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_record_on_a_read_only_disk_is_read_and_proved_and_never_added_to(
    tmp_path: Path, how: signal.Signals
) -> None:
    load = Load()
    with a_disk(tmp_path, "6m") as disk:
        store, settings = "{path: disk/callgate.db}", StoreSettings(path=disk / "callgate.db")
        with a_gateway(tmp_path, store) as gateway:
            assert load.call(gateway, "before") == DONE
            gateway.stop(how)
        assert mount("-o", "remount,ro", str(disk)) == 0

        is_told_whole(tmp_path, Recorded(settings))
        with a_gateway(tmp_path, store) as gateway:
            assert gateway.process.wait(180) != 0
            gateway.await_log("read-only")
        if how == signal.SIGKILL:  # and then somebody took only these two
            assert mount("-o", "remount,rw", str(disk)) == 0
            (disk / "callgate.db-shm").unlink()
            assert mount("-o", "remount,ro", str(disk)) == 0
            with pytest.raises(AssertionError, match="-wal needs a directory that can"):
                command(tmp_path, "calls")
        assert executed(tmp_path) == ["before"]


def test_a_record_replaced_by_an_old_copy_is_noticed_before_the_next_call_and_ever_after(
    tmp_path: Path,
) -> None:
    load, path, aside = Load(), tmp_path / "callgate.db", tmp_path / "aside"
    aside.mkdir()
    with a_gateway(tmp_path, "{checkpoint_seconds: 0.05}") as gateway:
        with load.on(gateway, "load"):
            load.await_more(DONE, 10)
            with (
                closing(sqlite3.connect(path)) as source,
                closing(sqlite3.connect(tmp_path / "copy")) as copy,
            ):
                source.backup(copy)
            before = max(sizes(path))
            while max(sizes(path)) == before:  # what is signed has been seen elsewhere, say
                load.await_more(DONE, 5)
            for name in ("callgate.db", "callgate.db-wal", "callgate.db-shm"):
                os.replace(tmp_path / name, aside / name)
            load.await_more(UNAVAILABLE, 10)
            os.replace(tmp_path / "copy", path)
            load.await_more(DONE, 20)
        gateway.stop()
    both = [Recorded(StoreSettings(path=place)).intents for place in (aside / path.name, path)]
    recorded = both[0] | both[1]
    assert set(executed(tmp_path)) <= recorded.keys()
    assert {name for name, code in load.answers.items() if code == DONE} <= recorded.keys()

    seen = command(tmp_path, "audit", "checkpoint", "--store", str(aside / path.name))
    (tmp_path / "seen").write_text(seen)
    with pytest.raises(AssertionError, match="seen"):
        command(tmp_path, "audit", "verify", "--known", "seen")


def test_a_disk_that_takes_its_time_makes_calls_wait_not_fail(tmp_path: Path) -> None:
    load = Load()
    with a_gateway(tmp_path, "{busy_timeout_seconds: 60}") as gateway:
        with load.on(gateway, "load"):
            load.await_more(DONE, 10)
            for _ in range(3):
                with closing(sqlite3.connect(tmp_path / "callgate.db", timeout=60)) as other:
                    other.execute("BEGIN IMMEDIATE")
                    threading.Event().wait(0.5)
                    other.rollback()
                load.await_more(DONE, 10)
        gateway.stop()
    hold_to_account(tmp_path, load)
    assert set(load.answers.values()) == {DONE}


# As `-m callgate`, but that a disk counts as failed sooner.
IMPATIENT = (
    "-c",
    "from callgate.storage import store\nstore.STALL_SECONDS = 2.5\n"
    "from callgate.cli import main\nmain()",
)


@pytest.mark.skipif(sys.platform != "linux", reason="LD_PRELOAD is Linux's")
def test_a_disk_that_syncs_slowly_makes_calls_wait_and_one_that_stands_still_refuses_them(
    tmp_path: Path,
) -> None:
    load = Load()
    with a_slow_disk(tmp_path) as disk, a_gateway(tmp_path, program=IMPATIENT) as gateway:
        with load.on(gateway, "load"):
            load.await_more(DONE, 10)
            disk.takes(0.2)
            load.await_more(DONE, 20)
            assert set(load.answers.values()) == {DONE}
            disk.takes(6.0)
            load.await_more(UNAVAILABLE, 20)
            disk.takes(0.0)
            load.await_more(DONE, 20)
        gateway.stop()
    hold_to_account(tmp_path, load)


def test_a_server_that_stands_still_makes_calls_wait_and_its_gateway_may_die(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, load = SigningKey.generated("records.example.com"), Load()
    monkeypatch.setenv("CALLGATE_SIGNING_KEY", key.text)
    with a_server() as server:
        store = f'{{url: "{server.url}", signing_key: "${{env:CALLGATE_SIGNING_KEY}}"}}'
        settings = StoreSettings(url=server.url, signing_key=key.text)
        store = store[1:-1]
        with a_gateway(tmp_path, store) as gateway, load.on(gateway, "slow"):
            load.await_more(DONE, 10)
            with server.held():
                threading.Event().wait(0.7)
            load.await_more(DONE, 10)
            assert load.count(DONE) == len(load.answers)
            with server.held():
                gateway.stop(signal.SIGKILL)
        with a_gateway(tmp_path, store) as gateway:
            assert load.call(gateway, "last") == DONE
            is_told_whole(tmp_path, Recorded(settings))
            gateway.stop()
        hold_to_account(tmp_path, load, settings)


def test_a_clock_that_steps_puts_nothing_out_of_the_record(tmp_path: Path) -> None:
    load, offset = Load(), tmp_path / "offset"

    def step(seconds: float) -> None:
        (tmp_path / "new").write_text(str(seconds))
        os.replace(tmp_path / "new", offset)

    step(0)
    program = (str(STEPPING), str(offset))
    steps = (86_400.0, -30 * 86_400.0, 3.5, -3.5)
    with a_gateway(tmp_path, program=program) as gateway:
        with load.on(gateway, "load"):
            for seconds in steps:
                load.await_more(DONE, 10)
                step(seconds)
            load.await_more(DONE, 10)
            step(-86_400.0)
        gateway.stop(signal.SIGKILL)
    with a_gateway(tmp_path, program=program) as gateway:
        assert load.call(gateway, "last") == DONE
        recorded = Recorded(StoreSettings(path=tmp_path / "callgate.db"))
        is_told_whole(tmp_path, recorded)
        gateway.stop()
    hold_to_account(tmp_path, load)
    assert set(load.answers.values()) == {DONE}
