"""Child processes of our own: bounded, and ended with all they started."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from callgate.sources.confined import Child, ChildError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the bounds are those of POSIX")

SAYS = "from callgate.sources.confined import confine, protocol_streams\n" \
       "from callgate.sources.framing import read_frame, write_frame\n" \
       "incoming, outgoing = protocol_streams()\n"  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def child(directory: Path, program: str) -> Child:
    (directory / "callgate_test_child.py").write_text(SAYS + program)
    return Child("callgate_test_child")


def test_what_is_printed_does_not_mix_with_what_is_said(directory: Path) -> None:
    one = child(
        directory, "print('noise', flush=True)\nwrite_frame(outgoing, read_frame(incoming))"
    )
    one.send(b"hello")

    assert one.receive(100) == b"hello"
    one.close()


@pytest.mark.parametrize(
    ("program", "epitaph"),
    [
        ("import sys; sys.exit(3)", "ended with exit code 3"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
        ("outgoing.write(b'\\xff' * 100); outgoing.flush(); incoming.read()", "its protocol"),
    ],
)
def test_how_it_ended_is_said(
    directory: Path, program: str, epitaph: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.sources.confined.END_SECONDS", 0.2 if "its" in epitaph else 20)
    one = child(directory, program)

    with pytest.raises(ChildError, match=epitaph):
        one.receive(100)
    one.close()


def test_when_the_time_is_up_it_ends_with_what_it_started(directory: Path) -> None:
    one = child(
        directory,
        "import subprocess, sys\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        "write_frame(outgoing, str(inner.pid).encode())\n"
        "inner.wait()",
    )
    inner = psutil.Process(int(one.receive(100)))
    timer = one.deadline(0.1)

    with pytest.raises(ChildError, match="took longer than 0 s"):
        one.receive(100)
    timer.cancel()
    one.close()
    gone, _ = psutil.wait_procs([inner], timeout=60)
    assert gone or inner.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("program", "error"),
    [
        ("bytearray(1 << 30)", "MemoryError"),
        ("open(sys.argv[0] + '.large', 'wb').write(b'x' * (1 << 20))", "OSError"),
    ],
)
def test_it_cannot_leave_its_bounds(directory: Path, program: str, error: str) -> None:
    one = child(
        directory,
        "import sys\n"
        "confine(memory_bytes=512 << 20, file_bytes=1 << 10)\n"
        f"try:\n    {program}\n"
        "except Exception as error:\n"
        "    write_frame(outgoing, type(error).__name__.encode())",
    )

    assert one.receive(100).decode() == error
    one.close()


@pytest.mark.skipif(sys.platform != "linux", reason="a file of Linux")
def test_where_memory_runs_short_it_goes_first(directory: Path) -> None:
    one = child(
        directory,
        "confine(memory_bytes=512 << 20, file_bytes=0)\n"
        "write_frame(outgoing, open('/proc/self/oom_score_adj', 'rb').read())",
    )

    assert one.receive(100) == b"1000\n"
    one.close()


def test_closing_twice_is_fine(directory: Path) -> None:
    one = child(directory, "incoming.read()")
    one.close()
    one.close()
    with pytest.raises(ChildError):
        one.send(b"late")
