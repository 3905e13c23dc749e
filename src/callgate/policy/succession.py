"""One policy set after another: the new engine knows what is asked before it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from callgate.model import Principal, Tool
from callgate.policy.engine import Engine

MOST_PAIRS = 500  # of principals and tools, those asked about last first

Pair = tuple[Principal, Tool]


def pairs_of(engine: Engine) -> list[Pair]:
    """Who was asked about lately, and at which tools. For the thread that uses the engine."""
    latest = reversed(engine._plans._known.values())
    found = ((one.principal, plan.action.tool) for one in latest for plan in one.plans.values())
    return list(islice(found, MOST_PAIRS))


def warm(engine: Engine, pairs: Sequence[Pair]) -> None:
    """Makes what the first call of each pair would wait for. For any thread, before the engine
    is shared."""
    plans = engine._plans
    for principal, tool in pairs:
        try:
            plan = plans.plan(principal, tool)
            part = plan.part
            if part.problem is None and part.has_permit:
                plans.schema(plan.action, part.deciders)
                plans.handle(part.deciders)
                plans.are_in_scope(plan, part)
        except Exception:  # noqa: BLE001, S112 - the call itself will meet it, and is refused then
            continue


def release(engine: Engine) -> None:
    """Lets go of what an engine remembers, once nobody asks it any more.

    Principals and plans refer to each other: without this, a collection of all garbage, which
    takes as long as there are policies, would be needed to get rid of them.
    """
    for known in engine._plans._known.values():
        known.plans.clear()
