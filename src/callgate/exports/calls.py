"""What all formats say of a call: how it ended, in one word, and where it stands in the record."""

from __future__ import annotations

from typing import Literal

from callgate.model import Json, qualify

Ending = Literal["completed", "failed", "refused", "withheld", "interrupted", "broken"]

_OF_TARGETS = "target_"
WITHHELD = "result_withheld"  # also where it was erased that the tool ran
_BROKEN = ("internal_error", "interceptor_failed", "policy_error", "record_unavailable")
"""Refusals that are faults of the gateway or of what it asks, not decisions about the call."""


def ending(call: dict[str, Json]) -> Ending:
    """How a call ended, as `audit.explain.whole` has it.

    `failed`: the target was asked and could not, or the tool said that it failed. `withheld`: the
    tool ran, its result was kept back. `broken`: refused because something here did not work.
    """
    code = call.get("code")
    if code == "interrupted":
        return "interrupted"
    if code == "ok":
        result = call.get("result") or {}
        return "failed" if result.get("failed") or result.get("error") else "completed"
    if call.get("ran") == "yes" or code == WITHHELD:
        return "withheld"
    if isinstance(code, str) and (code.startswith(_OF_TARGETS) or call.get("ran") == "unknown"):
        return "failed"
    return "broken" if code in _BROKEN else "refused"


def operation(call: dict[str, Json]) -> str:
    """What was asked for: `<target>___<tool>`, or the method of MCP."""
    target, tool, method = call.get("target"), call.get("tool"), call.get("method")
    if method:
        return str(method)
    return qualify(target, tool) if target and tool else str(call.get("name") or "unknown")


def place_of(entry: dict[str, Json], origin: str) -> str:
    """`<origin>/<log>/<seq>`: the same for whoever is sent it again, and of nothing else.

    Of a whole call, the place of its last entry.
    """
    record = entry["record"] if "record" in entry else entry["records"][-1]
    return f"{origin}/{record['log']}/{record['seq']}"
