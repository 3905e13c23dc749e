"""The log: one line for each event, to standard error, as text or as JSON."""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

from callgate.audit.record import rfc3339
from callgate.telemetry.masking import escaped, masked
from callgate.telemetry.settings import TelemetrySettings

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_LEVELS = {"WARNING": "WARN", "CRITICAL": "ERROR"}


def configure(settings: TelemetrySettings, stream: TextIO | None = None) -> None:
    """Replaces all log handlers of the process by one. `stream`: standard error where left out.

    Other libraries speak from warnings on, unless the level is debug. Nobody reads standard error:
    writing waits, as for any program; whoever runs the gateway reads it or sends it to a file.
    """
    out = sys.stderr if stream is None else stream
    log_format = settings.log_format or ("text" if out.isatty() else "json")
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonLines() if log_format == "json" else TextLines())
    level = settings.log_level.upper()
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level if level in ("DEBUG", "ERROR") else "WARNING")
    logging.getLogger("callgate").setLevel(level)
    logging.captureWarnings(True)


class TextLines(logging.Formatter):
    """`2026-11-22T13:00:00.000000Z INFO  callgate.calls: message key='value'`.

    Further lines, of an exception, are indented: none can pass for an event of its own.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One event."""
        level = _LEVELS.get(record.levelname, record.levelname)
        line = f"{rfc3339(record.created)} {level:<5} {record.name}: {masked(_message(record))}"
        extras = _extras(record)
        told = str(extras.pop("exception", ""))  # by who logs it, instead of `exc_info`
        for key, value in extras.items():
            line += f" {key}={masked(repr(value))}"
        lines = [escaped(line)]
        for trace in filter(None, (told, self._exception(record), record.stack_info)):
            lines += (f"    {escaped(masked(part))}" for part in trace.splitlines())
        return "\n".join(lines)

    def _exception(self, record: logging.LogRecord) -> str | None:
        return self.formatException(record.exc_info) if record.exc_info else None


class JsonLines(logging.Formatter):
    """One JSON object a line: `at`, `level`, `logger`, `message`, then what the event adds."""

    def format(self, record: logging.LogRecord) -> str:
        """One event."""
        event: dict[str, object] = {
            "at": rfc3339(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": masked(_message(record)),
        }
        for key, value in _extras(record).items():
            is_plain = value is None or isinstance(value, (bool, int))
            event.setdefault(key, value if is_plain else masked(str(value)))
        if record.exc_info:
            event["exception"] = masked(self.formatException(record.exc_info))
        if record.stack_info:
            event["stack"] = masked(record.stack_info)
        # ASCII only: control characters of every kind arrive escaped.
        return json.dumps(event)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - values that do not fit, or cannot be shown: still a line
        return f"{record.msg} (its values could not be put in)"


def _extras(record: logging.LogRecord) -> dict[str, object]:
    return {key: value for key, value in vars(record).items() if key not in _OWN}
