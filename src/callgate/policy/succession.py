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
    return list(islice(engine.plans.asked(), MOST_PAIRS))


def warm(engine: Engine, pairs: Sequence[Pair]) -> None:
    """Makes what the first call of each pair would wait for. For any thread, before the engine
    is shared."""
    for principal, tool in pairs:
        try:
            engine.plans.prepare(principal, tool)
        except Exception:  # noqa: BLE001, S112 - the call itself will meet it, and is refused then
            continue


def release(engine: Engine) -> None:
    """Lets go of what an engine remembers, once nobody asks it any more.

    Principals and plans refer to each other: without this, a collection of all garbage, which
    takes as long as there are policies, would be needed to get rid of them.
    """
    engine.plans.let_go()
