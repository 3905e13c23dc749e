"""Another policy set without a pause: built beside the running one, on short turns."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from callgate.app.checking import changed
from callgate.app.gathering import PolicySet
from callgate.app.parts import PartError, engine_of
from callgate.config import Config
from callgate.model import Value
from callgate.pipeline.gateway import Gateway
from callgate.policy.source import Policy, PolicyError
from callgate.policy.succession import pairs_of
from callgate.policy.validation import Finding
from callgate.ports import StoreError
from callgate.sources.sourced import SourceError

TURN_SECONDS = 0.0005  # how long another thread may keep the interpreter from the event loop


@asynccontextmanager
async def short_turns() -> AsyncIterator[None]:
    """While another thread works: the event loop gets the interpreter back soon.

    No collection of garbage meanwhile, and none ever of what was made here: policies have no
    cycles, and one look through those of a large set would stop everything for a tenth of a second.
    """
    turn, was_collecting = sys.getswitchinterval(), gc.isenabled()
    sys.setswitchinterval(min(turn, TURN_SECONDS))
    gc.disable()
    try:
        yield
    finally:
        sys.setswitchinterval(turn)
        if was_collecting:
            gc.freeze()
            gc.enable()


async def loaded(load: Callable[[], PolicySet]) -> PolicySet:
    """What a way to load policies gives, off the event loop. Raises PartError."""
    try:
        async with short_turns():
            return await asyncio.to_thread(load)
    except (PolicyError, SourceError, StoreError) as error:
        raise PartError(f"policies: {error}") from None


class Trial(Value):
    """Policies that could be put into force: what would decide then, and what is new in it."""

    made: PolicySet
    gateway: Gateway
    news: tuple[Policy, ...]  # those that say something else than now, or are new
    ids: frozenset[str]  # of all
    found: tuple[Finding, ...] = ()  # about what is new


async def successor(config: Config, made: PolicySet, gateway: Gateway) -> Trial:
    """The gateway with another policy set, and nothing else changed. Off the event loop."""
    pairs = pairs_of(gateway.engine)

    def build() -> Trial:
        engine = engine_of(config, made.policies, gateway.chain.enrichments, pairs, gateway.engine)
        news = changed(gateway.engine.policies, made.policies)
        ids = frozenset(policy.id for policy in made.policies)
        return Trial(made=made, gateway=replace(gateway, engine=engine), news=news, ids=ids)

    async with short_turns():
        return await asyncio.to_thread(build)
