"""Decides and lists with Callgate's engine, arguments fresh each time. A program."""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any, cast

import msgspec
from policy_turns import Answer, Asked, serve
from policy_world import ENRICHMENTS, NAMES, NOW, World

from callgate.app.clock import SystemClock
from callgate.model import Call, Era, Principal, Proof, Tool, Verdict
from callgate.pipeline.attaching import Chain
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.listing import visible_tools
from callgate.pipeline.locating import Route
from callgate.policy.engine import Engine, Question
from callgate.policy.source import read_policies
from callgate.policy.succession import release
from callgate.ports import Authenticator, CallStore, Catalog
from callgate.telemetry.nothing import NoTelemetry

FIRST = 25  # decisions of an engine that has not seen the principal and the tool
GC_THRESHOLD = 50_000  # that of app/process.py, which would bring all of the gateway
OTHERS = 7  # principals whose lists follow the first


class Decider:
    """One engine that has been asked before, and fresh ones of the same policies."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        texts = [(file.name, file.read_text()) for file in sorted(folder.glob("*.cedar"))]
        self.policies = read_policies(texts)
        self.engine = self.fresh()
        self.principals = {one.id: one for one in self.world.principals}
        self.tools = {one.qualified_name: one for one in self.world.tools}
        uses = json.loads((folder / "uses.json").read_text())
        self.asked = {kind: Asked(found) for kind, found in uses.items()}
        self.first = Asked(uses["decided"])
        for kind in ("decided", "cached", "anybody"):
            for use in uses[kind]:
                self.ask(self.prepare(use))
        self.listers = cycle(self.world.principals)
        gc.collect()
        gc.freeze()  # as the gateway does
        gc.set_threshold(GC_THRESHOLD)

    def fresh(self) -> Engine:
        return Engine(self.policies, NAMES, ENRICHMENTS)

    def take_turn(self, limit: int, seconds: float) -> dict[str, Any]:
        found = {
            kind: asked.turn(limit, seconds, self.prepare, self.ask, read)
            for kind, asked in self.asked.items()
        }
        engine = self.fresh()
        found["first"] = self.first.turn(
            min(limit, FIRST),
            seconds,
            self.prepare,
            lambda prepared: engine.authorize(Question(**prepared)),
            read,
        )
        release(engine)
        return {**found, **self.lists()}

    def prepare(self, use: dict[str, Any]) -> dict[str, Any]:
        """Arguments and facts that nobody has seen before, as a call brings them."""
        return {
            "principal": self.principals[use["principal"]],
            "tool": self.tools[use["tool"]],
            "arguments": again(use["arguments"]),
            "enriched": again(use["enriched"]),
            "now": NOW,
        }

    def ask(self, prepared: dict[str, Any]) -> Verdict:
        return self.engine.authorize(Question(**prepared))

    def lists(self) -> dict[str, Any]:
        """All tools for some principals, of an engine that has seen none of them, then once more.

        How long the next list takes depends on whose it is: several are asked.
        """
        found: dict[str, Any] = {}
        for name, lister in (("list", by_engine), ("shown", by_gateway)):
            engine = self.fresh()
            one, *others = islice(self.listers, 1 + OTHERS)
            for kind, principals in (("first", [one]), ("next", others), ("again", others)):
                lists = [lister(engine, self.world, principal) for principal in principals]
                took, shown = zip(*lists, strict=True)
                found[f"{name} {kind}"] = {"us": took, "answers": [], "shown": shown[-1]}
            release(engine)
        return found


def again(value: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


def read(verdict: Verdict) -> Answer:
    return verdict.is_permitted, sorted(verdict.policies)


def by_engine(engine: Engine, world: World, principal: Principal) -> tuple[float, int]:
    return timed(lambda: sum(engine.is_listed(principal, tool, NOW) for tool in world.tools))


def by_gateway(engine: Engine, world: World, principal: Principal) -> tuple[float, int]:
    """`tools/list` of the aggregated route, without HTTP."""
    gateway = a_gateway(engine, world)
    call = Call(
        id="bench",
        received_at=NOW,
        era=Era.MODERN,
        protocol_version="2026-07-28",
        proof=Proof(),
        requested_name="tools/list",
        method="tools/list",
        principal=principal,
    )
    route = Route(target=None, targets=tuple(world.by_target))

    async def shown() -> int:
        return len((await visible_tools(call, gateway, route))[0])

    with asyncio.Runner() as runner:
        return timed(lambda: runner.run(shown()))


def timed(count: Callable[[], int]) -> tuple[float, int]:
    begun = time.thread_time_ns()
    number = count()
    return (time.thread_time_ns() - begun) / 1e3, number


class Shelf:
    """The catalogue of the made-up tools: what of `Catalog` a list needs."""

    def __init__(self, world: World) -> None:
        self._by_target = world.by_target

    async def ensure(self, target: str | None = None, offer: object = None) -> None:
        """Nothing has to be listed."""

    def tools(self, target: str, offer: object = None) -> tuple[Tool, ...]:
        return self._by_target[target]


def a_gateway(engine: Engine, world: World) -> Gateway:
    """With what a list uses; nobody is identified and nothing stored."""
    return Gateway(
        authenticator=cast(Authenticator, None),
        catalog=cast(Catalog, Shelf(world)),
        engine=engine,
        chain=Chain(()),
        store=cast(CallStore, None),
        telemetry=NoTelemetry(),
        clock=SystemClock(),
    )


if __name__ == "__main__":
    serve(Decider(Path(sys.argv[1])).take_turn)
