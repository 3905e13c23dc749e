"""A child starts with a clean environment, and ends with everything it started."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import psutil
import pytest
import uvloop

from callgate.upstream import child
from callgate.upstream.child import Child, Command, OutputLog, clean_environment
from fakes.running import until


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE_SECONDS", 0.5)


@pytest.fixture
def patient(impatient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever ends by itself, however long it is kept from that."""
    monkeypatch.setattr(child, "GRACE_SECONDS", 600.0)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def python(program: str, **more: object) -> Command:
    return Command(words=(sys.executable, "-c", program), **more)  # type: ignore[arg-type]


def test_only_the_inherited_few_and_the_configured_reach_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    monkeypatch.setenv("LANG", "() { :; }")
    found = clean_environment({"TOKEN": "given", "HOME": "/elsewhere"})
    assert found["PATH"] == "/bin"
    assert found["TOKEN"] == "given"
    assert found["HOME"] == "/elsewhere"
    assert not {"AWS_SECRET_ACCESS_KEY", "LANG"} & set(found)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_lines_go_in_and_come_out_where_it_was_told_to_start(
    runner: object, tmp_path: Path
) -> None:
    place = str(tmp_path.resolve())

    async def scenario() -> None:
        program = (
            "import os, sys\n"
            "print(os.getcwd(), flush=True)\n"
            "for line in sys.stdin: print(line.upper(), end='', flush=True)"
        )
        started = await Child.start(python(program, directory=str(tmp_path)))
        assert (await started.stdout.readline()).decode().strip() == place
        await started.write(b"one")
        started.say(b"two")
        assert await started.stdout.readline() == b"ONE\n"
        assert await started.stdout.readline() == b"TWO\n"
        await started.end()
        await started.end()
        assert started.fate == "it exited with status 0"
        with pytest.raises(OSError, match=r"^$|.*"):
            await started.write(b"late")
        started.say(b"late")

    runner(scenario())  # type: ignore[operator]


def test_a_program_that_is_not_there_cannot_be_started() -> None:
    with pytest.raises(OSError, match="No such file"):
        asyncio.run(Child.start(Command(words=("/no/such/program",))))


@pytest.mark.parametrize(
    ("program", "fate"),
    [
        ("import sys; input(); sys.exit(4)", "it exited with status 4"),
        ("import os; input(); os.kill(os.getpid(), 11)", "it was ended by SIGSEGV"),
    ],
)
def test_how_it_ended_is_known(program: str, fate: str) -> None:
    async def scenario() -> None:
        started = await Child.start(python(program))
        assert started.fate == "it closed its output"
        await started.write(b"end")
        await started.exited(None)
        assert started.fate == fate
        await started.end()

    asyncio.run(scenario())


STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_whoever_ignores_all_requests_to_end_is_ended_with_its_descendants(runner: object) -> None:
    inner = STUBBORN + "time.sleep(60)"
    program = (
        "import subprocess, sys\n"
        f"words = [sys.executable, '-c', {inner!r}]\n"
        "for leaves in (False, True):\n"
        "    print(subprocess.Popen(words, start_new_session=leaves).pid, flush=True)\n"
        f"{STUBBORN}time.sleep(60)"
    )

    async def scenario() -> list[int]:
        started = await Child.start(python(program))
        pids = [started.pid, *[int(await started.stdout.readline()) for _ in range(2)]]
        await started.end()
        return pids

    pids: list[int] = runner(scenario())  # type: ignore[operator]
    assert len(pids) == 3
    until(lambda: not any(map(is_running, pids)))


@pytest.mark.usefixtures("patient")
def test_whoever_ends_when_asked_is_not_forced() -> None:
    async def scenario() -> None:
        program = "import sys\nsys.stdin.read()\nprint('bye', flush=True)"
        started = await Child.start(python(program))
        await started.end()  # long before the time it is given for that
        assert await started.stdout.read() == b"bye\n"
        assert started.fate == "it exited with status 0"

    asyncio.run(scenario())


def test_a_child_that_does_not_read_is_waited_for_and_courtesies_are_dropped() -> None:
    async def scenario() -> None:
        started = await Child.start(python("import time; time.sleep(60)"))
        await started.write(b"x" * (1 << 20))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await started.write(b"y")
        before = started._stdin.get_write_buffer_size()
        for _ in range(100):
            started.say(b"z" * 1000)
        assert started._stdin.get_write_buffer_size() == before
        await started.end()

    asyncio.run(scenario())


def test_the_log_keeps_two_bounded_files(tmp_path: Path) -> None:
    log = OutputLog(tmp_path / "new" / "a.log", 100)
    for number in range(30):
        log.write(f"{number:09}\n".encode())
    log.write(b"x" * 1000)
    log.write(b"again\n")
    log.close()
    log.write(b"too late\n")
    assert log.path.read_bytes() == b"again\n"
    assert (tmp_path / "new" / "a.log.1").read_bytes() == b"x" * 100
    assert log.path.stat().st_mode & 0o077 == 0


def test_a_log_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"before\n")
    log = OutputLog(path, 100)
    log.write(b"after\n")
    log.close()
    assert path.read_bytes() == b"before\nafter\n"


@pytest.mark.parametrize("runner", [asyncio.run, uvloop.run])
def test_a_child_that_ends_only_when_told_so_is_waited_for_also_by_who_is_cancelled(
    runner: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = Child._signal

    def signal_and_wait(self: Child, family: set[psutil.Process], number: int) -> None:
        monkeypatch.setattr(child, "GRACE_SECONDS", 600.0)  # it ends of that, when it may run
        signal(self, family, number)

    monkeypatch.setattr(Child, "_signal", signal_and_wait)

    async def scenario() -> None:
        program = "import time; print('up', flush=True); time.sleep(60)"  # deaf to a closed stdin
        started = await Child.start(python(program))
        await started.stdout.readline()

        async def keep() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                await started.end()

        keeping = asyncio.ensure_future(keep())
        await asyncio.sleep(0)
        keeping.cancel()
        await asyncio.wait({keeping})
        assert started.fate == "it was ended by SIGTERM"

    runner(scenario())  # type: ignore[operator]
