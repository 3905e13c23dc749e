"""What interceptors did to a call, in words: what they changed, and to what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from callgate.model import Json

MAX_OPERATIONS = 8  # of what one interceptor changed

_ACTIONS = {
    "changed": "changed",
    "enriched": "added facts for policy at",
    "refused": "refused the call",
    "answered": "answered instead of the target",
    "labelled": "labelled the call",
    "held": "asked for a person's approval",
    "withheld": "kept the {phase} back",
    "noted": "changed nothing",
    "failed": "failed",
    "skipped": "was skipped",
}


def done(call: dict[str, Json]) -> Iterator[str]:
    """One fact a line, of a call as `audit.explain.whole` has it."""
    changes = call.get("changes") or ()
    if not changes:
        yield "None did anything."
    for change in changes:
        of = change["phase"]
        action = _ACTIONS.get(change["action"], change["action"]).format(phase=of)
        if change.get("paths"):
            action += f" {listed(change['paths'])}"
        if change.get("labels"):
            action += f" {listed(change['labels'])}"
        if change.get("mode") == "observe":
            action = f"only observing, would have {action}" if action != "failed" else action
        note = f": {change['note']}" if change.get("note") else ""
        took = in_milliseconds(change["seconds"])
        yield f"{change['interceptor']}, on the {of}, {action} ({took}){note}."
        yield from _patched(change.get("patch") or ())
    if call.get("sent_headers"):
        names = listed(call["sent_headers"])
        yield f"Headers that they added were sent: {names}; what was in them is not recorded."


def _patched(patch: Sequence[dict[str, Json]]) -> Iterator[str]:
    for operation in patch[:MAX_OPERATIONS]:
        path = operation.get("path") or "/"
        if "value" not in operation:
            yield f"  {path} was taken out"
            continue
        value = json.dumps(operation["value"], ensure_ascii=False)
        where = ""
        if operation.get("at"):
            begin, end = operation["at"]
            where = f" from character {begin} to {end}"
        yield f"  {path}{where} became {value}"
    if len(patch) > MAX_OPERATIONS:
        yield f"  and {len(patch) - MAX_OPERATIONS} more changes"


def listed(items: Sequence[Any]) -> str:
    """`a, b, c`."""
    return ", ".join(map(str, items))


def in_milliseconds(seconds: float) -> str:
    """A duration as people read it."""
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
