"""Calls through the whole call path with interceptors and without, in turns. A program."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from callgate.model import Call, Era, Principal, Proof
from callgate.pipeline.pipeline import govern
from callgate.testing import Governed, StillClock, attach, governed
from callgate.testing.outcomes import Agent
from callgate.testing.targets import InMemoryTarget

ROOT = Path(__file__).resolve().parents[1]
SECONDS = 0.15  # of one turn
TOOL = "shop___lookup"
SMALL: dict[str, Any] = {"content": [{"type": "text", "text": "ok"}]}
NO_OPS = 10
SIZES = {"10 KB": 10_000, "1 MB": 1_000_000}
GUARDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "guard_sql": (
        {"fields": ["$.query"], "dialect": "postgres", "tables": ["orders", "customers"]},
        {
            "query": "SELECT o.id, o.total, c.name FROM orders o JOIN customers c ON c.id = "
            "o.customer WHERE o.state = 'open' AND o.total > 100 ORDER BY o.id LIMIT 50"
        },
    ),
    "guard_shell": (
        {"fields": ["$.command"], "programs": ["git log", "ls"]},
        {"command": "git log --oneline -n 20 -- src/callgate"},
    ),
    "guard_path": (
        {"fields": ["$.path"], "roots": ["/data"]},
        {"path": "/data/reports/2026/october/summary.txt"},
    ),
    "guard_url": (
        {"fields": ["$.url"], "hosts": ["*.example.com"], "resolve": False},
        {"url": "https://api.example.com/v1/orders?state=open&page=2"},
    ),
}


async def no_op(view: Any) -> None:
    """Looks at nothing."""


def plain_no_op(view: Any) -> None:
    """The same in a thread."""


def no_ops(*points: str) -> list[Any]:
    return [attach(no_op, points, name=f"no_op_{number}") for number in range(NO_OPS)]


def prose(size: int) -> dict[str, Any]:
    text = (ROOT / "docs" / "policies.md").read_text("utf-8")
    return {"content": [{"type": "text", "text": (text * (size // len(text) + 1))[:size]}]}


def rows(size: int) -> dict[str, Any]:
    row = {"id": "C-17", "city": "Berlin", "items": 12, "state": "sent", "price": 12.5}
    many = [{**row, "n": n} for n in range(size // 72)]
    return {"content": [{"type": "text", "text": "see rows"}], "structuredContent": {"rows": many}}


class Runner:
    """One gateway that makes one call again and again."""

    def __init__(self, gate: Governed, arguments: dict[str, Any]) -> None:
        self._gate = gate
        self._call = Call(
            id="bench",
            received_at=0.0,
            era=Era.MODERN,
            protocol_version="2026-07-28",
            proof=Proof(),
            requested_name=TOOL,
            arguments=arguments,
            principal=Principal(id="ada", issuer="bench", kind="jwt"),
        )

    async def turn(self) -> float:
        """µs of CPU, of all threads, per call. Raises AssertionError where a call is refused."""
        gateway, call, agent = self._gate.gateway, self._call, Agent()
        target = self._gate.targets["shop"]
        assert isinstance(target, InMemoryTarget)
        calls, begun, until = 0, time.process_time_ns(), time.perf_counter() + SECONDS
        while time.perf_counter() < until:
            for _ in range(5):
                outcome = await govern(call, gateway, agent)
            calls += 5
        took = time.process_time_ns() - begun
        assert outcome.refusal_code is None, outcome
        self._gate.store.entries.clear()
        target.asked.clear()
        return took / calls / 1e3


def scenes() -> Iterator[tuple[str, str, list[Any], dict[str, Any], dict[str, Any]]]:
    """(what, without what it is measured against, interceptors, arguments, result)."""
    order = {"order": "A-1", "amount": 5}
    yield "nothing", "", [], order, SMALL
    for name, points in (
        ("requests", ["request"]),
        ("results", ["result"]),
        ("requests and results", ["request", "result"]),
    ):
        own = no_ops(*points)
        yield (
            f"{NO_OPS} async no-ops on {name}",
            "nothing",
            own,
            {"order": "A-1", "amount": 5},
            SMALL,
        )
    threaded = [attach(plain_no_op, "request")]
    yield "1 plain no-op, in a thread", "nothing", threaded, order, SMALL
    redact = [{"name": "redact", "redact": {}, "on": ["result"]}]
    for shape, make in (("text", prose), ("rows", rows)):
        for size, count in SIZES.items():
            bare = f"{shape} of {size}"
            yield bare, "", [], {}, make(count)
            yield f"redact, clean {shape} of {size}", bare, redact, {}, make(count)
    for kind, (settings, arguments) in GUARDS.items():
        yield f"arguments of {kind}", "", [], arguments, SMALL
        guard = [{"name": "guard", kind: settings}]
        yield kind, f"arguments of {kind}", guard, arguments, SMALL


async def measure(turns: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with AsyncExitStack() as stack:
        runners: dict[str, Runner] = {}
        against: dict[str, str] = {}
        for name, without, interceptors, arguments, result in scenes():
            gate = governed(interceptors=interceptors, tools={TOOL: result}, clock=Ticking())
            runners[name] = Runner(await stack.enter_async_context(gate), arguments)
            against[name] = without
            await runners[name].turn()
        times: dict[str, list[float]] = {name: [] for name in runners}
        for _ in range(turns):
            for name, runner in runners.items():
                times[name].append(await runner.turn())
        for name, without in against.items():
            if without:
                pairs = zip(times[name], times[without], strict=True)
                found.append({"name": name, "us": [own - bare for own, bare in pairs]})
            elif name == "nothing":
                found.append({"name": name, "us": times[name]})
    return found


class Ticking(StillClock):
    """The time of day stands still, durations do not."""

    def ticks(self) -> float:
        return time.perf_counter()


if __name__ == "__main__":
    print(json.dumps(uvloop.run(measure(int(sys.argv[1])))))
