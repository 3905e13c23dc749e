"""Calls of a run, with everything that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from callgate.model import SEPARATOR
from callgate.review.finding import Bound, Finding, History, Scene
from callgate.review.findings import RULES
from callgate.review.flow import Flow, trace
from callgate.review.steps import Step

BEGIN = 1_790_000_000.0
EVERY_SECONDS = 10.0
KNOWN = History(calls=500, tools=frozenset({"crm___get_customer", "mail___send_email"}))


def a_step(tool: str, arguments: Any = None, content: Any = None, **more: Any) -> Step:
    """One call that was let through; `run_of` gives it its place."""
    settings: dict[str, Any] = {
        "number": 1,
        "call": "c1",
        "tool": tool,
        "target": tool.partition(SEPARATOR)[0],
        "principal": "sam",
        "received_at": BEGIN,
        "ended_at": BEGIN + 1,
        "code": "ok",
        "ran": "yes",
        "is_delivered": True,
        "arguments": {} if arguments is None else arguments,
        "content": content,
        "sha256": f"sha-{tool}",
        **more,
    }
    return Step(**settings)


def refused(tool: str, arguments: Any = None, **more: Any) -> Step:
    """One that policy did not permit."""
    return a_step(tool, arguments, **{"code": "not_permitted", "ran": "no", **more})


def text(said: str) -> dict[str, Any]:
    """A result of one text."""
    return {"content": [{"type": "text", "text": said}]}


def structured(**said: Any) -> dict[str, Any]:
    """A result of fields."""
    return {"structuredContent": said}


def run_of(*steps: Step, every: float = EVERY_SECONDS) -> tuple[Step, ...]:
    """The steps one after the other."""

    return tuple(
        replace(
            step,
            number=number,
            call=f"c{number}",
            received_at=BEGIN + number * every,
            ended_at=None if step.code is None else BEGIN + number * every + min(every / 2, 1),
        )
        for number, step in enumerate(steps, 1)
    )


def flows_of(*steps: Step) -> list[Flow]:
    """Where the arguments of a run came from."""
    return list(trace(run_of(*steps)).flows)


def found_in(
    rule: str,
    steps: Sequence[Step],
    history: History = KNOWN,
    *,
    bounds: Sequence[Bound] = (),
    definitions: Mapping[str, Mapping[str, Any]] | None = None,
    every: float = EVERY_SECONDS,
) -> list[Finding]:
    """What one rule says of a run."""
    run = run_of(*steps, every=every)
    scene = Scene(run, trace(run).flows, history, bounds=bounds, definitions=definitions)
    return list(RULES[rule](scene))
