"""The log, as it arrives on standard error."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from callgate.identity.api_keys import new_key
from callgate.telemetry.logs import configure
from callgate.telemetry.settings import TelemetrySettings

_log = logging.getLogger("callgate.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Puts the process's logging back."""
    root, ours = logging.getLogger(), logging.getLogger("callgate")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    show = warnings.showwarning
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(False)
    warnings.showwarning = show


def configured(stream: io.StringIO | None = None, **settings: Any) -> io.StringIO:
    stream = stream or io.StringIO()
    configure(TelemetrySettings(**settings), stream)
    return stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_json_object_on_one_line() -> None:
    stream = configured(log_format="json")

    _log.warning("refused %s", "a\nb", extra={"call": "c1", "seconds": 3, "at": "never"})

    (event,) = events(stream)
    assert event.pop("at").endswith("Z")
    assert event == {
        "level": "warning",
        "logger": "callgate.test",
        "message": "refused a\nb",
        "call": "c1",
        "seconds": 3,
    }


def test_an_event_is_one_line_of_text() -> None:
    stream = configured(log_format="text")

    _log.warning("refused %s", "x", extra={"call": "c 1"})

    assert stream.getvalue()[27:] == " WARN  callgate.test: refused x call='c 1'\n"


def test_a_terminal_gets_text_and_everything_else_json() -> None:
    terminal, file = Terminal(), io.StringIO()

    for stream in (terminal, file):
        configured(stream)
        _log.info("hello")

    assert terminal.getvalue().endswith("INFO  callgate.test: hello\n")
    assert events(file)[0]["message"] == "hello"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_value_can_forge_a_line_or_reach_the_terminal(log_format: str) -> None:
    stream = configured(log_format=log_format)
    forged = "x\r\n2026-01-01T00:00:00.000000Z INFO  callgate: all is well\x1b[2J\u202e\x9b"

    _log.info("asked for %s", forged, extra={"name_of": forged})

    written = stream.getvalue()
    assert written.count("\n") == 1
    assert not {"\r", "\x1b", "\u202e", "\x9b"} & set(written)


def test_an_exception_that_was_told_in_words_is_logged_as_others_are() -> None:
    told = {"exception": "Traceback\n  a.py\nValueError: ***"}
    stream = configured(log_format="text")
    logging.getLogger("callgate").error("it failed", extra=told)
    first, *rest = stream.getvalue().splitlines()
    assert (first.endswith("it failed"), rest) == (
        True,
        ["    Traceback", "      a.py", "    ValueError: ***"],
    )
    stream = configured(log_format="json")
    logging.getLogger("callgate").error("it failed", extra=told)
    assert events(stream)[0]["exception"] == told["exception"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_exception_can_forge_a_line(log_format: str) -> None:
    stream = configured(log_format=log_format)

    try:
        raise ValueError("x\n2026-01-01T00:00:00.000000Z INFO  callgate: all is well\x1b[2J")
    except ValueError:
        _log.exception("failed")

    first, *others = stream.getvalue().splitlines()
    assert "failed" in first
    assert all(line.startswith("    ") for line in others)
    assert "\x1b" not in stream.getvalue()
    assert "ValueError" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_secret_is_written_wherever_it_is_said(log_format: str) -> None:
    stream = configured(log_format=log_format)
    key = new_key()
    secret = f"Authorization: Bearer {key}"

    _log.info(secret)
    _log.info("got %s", secret)
    _log.info("got %(what)s", {"what": secret})
    _log.info("got %s", {"headers": [("authorization", f"Bearer {key}")]})
    _log.info("got", extra={"sent": secret, "headers": [secret]})
    _log.info("does not fit %d", secret)
    try:
        raise RuntimeError(f"https://user:{key}@host failed")
    except RuntimeError:
        _log.exception("failed", stack_info=True)

    assert key not in stream.getvalue()
    assert key[4:] not in stream.getvalue()
    assert stream.getvalue().count("***") >= 6


def test_values_that_do_not_fit_still_leave_a_line() -> None:
    stream = configured(log_format="json")

    _log.info("%d calls", "many")

    assert events(stream)[0]["message"] == "%d calls (its values could not be put in)"


@pytest.mark.parametrize(
    ("level", "ours", "others"),
    [
        ("debug", ["debug", "info", "warning", "error"], ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"], ["warning", "error"]),
        ("warning", ["warning", "error"], ["warning", "error"]),
        ("error", ["error"], ["error"]),
    ],
)
def test_a_level_is_ours_and_other_libraries_speak_from_warnings_on(
    level: str, ours: list[str], others: list[str]
) -> None:
    stream = configured(log_format="json", log_level=level)

    for name in ("callgate.x", "other.x"):
        for said in ("debug", "info", "warning", "error"):
            getattr(logging.getLogger(name), said)("hello")

    heard = [(event["logger"], event["level"]) for event in events(stream)]
    assert [said for name, said in heard if name == "callgate.x"] == ours
    assert [said for name, said in heard if name == "other.x"] == others


def test_configuring_again_does_not_write_twice() -> None:
    configured(log_format="json")
    stream = configured(log_format="json")

    _log.info("hello")

    assert len(events(stream)) == 1


def test_a_process_writes_its_log_and_warnings_to_standard_error() -> None:
    program = (
        "import logging, warnings;"
        "from callgate.telemetry.logs import configure;"
        "from callgate.telemetry.settings import TelemetrySettings;"
        "configure(TelemetrySettings());"
        "logging.getLogger('callgate').info('hello');"
        "warnings.warn('old')"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    hello, old = map(json.loads, done.stderr.splitlines())
    assert done.stdout == b""
    assert hello["message"] == "hello"
    assert "old" in old["message"]
