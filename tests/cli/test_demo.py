"""`callgate demo`, for real: the gateway, its servers, the client, the record."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.forking import finished

pytestmark = pytest.mark.e2e

MOST_SECONDS = 240


def callgate(*words: str) -> str:
    done = finished(*words, cwd=Path.cwd(), timeout=MOST_SECONDS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("told") / "demo"
    command = [sys.executable, "-m", "callgate", "demo", "--directory", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return directory, done.stdout


def test_without_a_terminal_it_tells_the_story_and_ends(told: tuple[Path, str]) -> None:
    _, said = told

    assert "10 calls: 6 permitted, 1 rewritten and 2 redacted among them, and 4 refused" in said
    assert "cap_history: max_count 500 -> 3" in said
    assert "no policy permits this call" in said
    assert "hand this over" in said
    assert "Not as expected" not in said


def test_what_it_told_is_on_record(told: tuple[Path, str]) -> None:
    directory, _ = told
    config = str(directory / "callgate.yaml")

    assert len(callgate("calls", "--config", config).splitlines()) == 11
    said = callgate("audit", "verify", "--config", config)
    assert re.search(r"all \d+ records hold", said), said


def test_its_policies_fit_its_tools(told: tuple[Path, str]) -> None:
    directory, _ = told

    config = str(directory / "callgate.yaml")
    said = callgate("policy", "check", "--no-meaning", "--config", config)

    assert said.endswith("no findings\n")


def test_no_key_is_in_the_record_or_on_the_screen(told: tuple[Path, str]) -> None:
    directory, said = told

    keys = [line.partition("=")[2] for line in (directory / "keys.env").read_text().splitlines()]
    store = b"".join(file.read_bytes() for file in directory.glob("callgate.db*"))
    assert not [key for key in keys if key in said or key.encode() in store]


def test_a_story_that_comes_out_differently_fails(told: tuple[Path, str]) -> None:
    directory, _ = told
    policies = directory / "policies" / "shop.cedar"
    policies.write_text(policies.read_text().replace("amount > 100", "amount > 1000"))

    done = finished("demo", "--directory", str(directory), cwd=Path.cwd(), timeout=MOST_SECONDS)

    assert done.returncode == 1
    assert "Not as expected: call 7, sam to shop___refund: its code is ok" in done.stdout
    assert "is used as it is" in done.stdout


def test_on_a_terminal_the_gateway_stays_up_until_it_is_interrupted(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "callgate", "demo", "--directory", str(tmp_path / "demo")]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        said = read_until(ours, b"Ctrl-C stops the gateway")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(MOST_SECONDS) == 0
    os.close(ours)
    assert b"call a tool yourself" in said
    assert b"start the gateway again" not in said


def read_until(terminal: int, text: bytes) -> bytes:
    said = b""
    while text not in said:
        said += os.read(terminal, 65536)
    return said
