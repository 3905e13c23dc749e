"""The interceptors of a configuration, at their places."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import TypeAdapter, ValidationError

from callgate.app.parts import PartError, build_connector
from callgate.config import Config
from callgate.config.tree import TargetSettings
from callgate.interceptors.kinds import KINDS, InterceptorError, Place
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Json
from callgate.pipeline.attaching import Attachment, Chain
from callgate.pipeline.breaker import Breaker, Gate
from callgate.pipeline.conditions import CedarCondition
from callgate.pipeline.gateway import Gateway
from callgate.policy.names import Names
from callgate.policy.source import PolicyError
from callgate.ports import Clock, Connector
from callgate.scrutiny import Interceptor
from callgate.upstream.stdio_settings import StdioTargetSettings

_TARGET: TypeAdapter[TargetSettings] = TypeAdapter(TargetSettings)


async def build_chain(config: Config, clock: Clock, like: Gateway | None = None) -> Chain:
    """The interceptors in declared order. Raises PartError; then none of them is left open.

    What those of the gateway before it, `like`, must not forget over a reload is taken over.
    """
    known = {one.name: one.interceptor for one in like.chain.attachments} if like else {}
    made: list[Attachment] = []
    for settings in config.interceptors:
        async with ended_on_failure(Chain(tuple(made))):
            before = known.get(settings.name)
            made.append(  # in a thread: it loads foreign code
                await asyncio.to_thread(build_attachment, settings, config, clock, before=before)
            )
    return Chain(tuple(made))


@asynccontextmanager
async def ended_on_failure(chain: Chain) -> AsyncIterator[None]:
    """Closes the chain where what is done meanwhile fails, for then it is never used."""
    try:
        yield
    except BaseException:
        await chain.close()
        raise


def build_attachment(
    settings: InterceptorSettings,
    config: Config,
    clock: Clock,
    interceptor: Interceptor | None = None,
    before: Interceptor | None = None,
) -> Attachment:
    """One interceptor at its place; one that is there already, if it is given. Raises PartError.

    `before`: the one of that name that it replaces.
    """
    place = Place(
        name=settings.name,
        directory=config.directory,
        clock=clock,
        points=frozenset(settings.on),
        timeout_seconds=settings.timeout_seconds,
        connect=lambda target: _connector(settings.name, target, config, clock),
        before=before,
    )
    try:
        if interceptor is None:
            interceptor = KINDS[settings.kind](settings.of_kind, place)
        condition = _condition(settings, config, clock)
    except (InterceptorError, PolicyError) as error:
        raise PartError(f"interceptors: {settings.name}: {error}") from None
    breaker = Breaker(failures=settings.breaker_failures, seconds=settings.breaker_seconds)
    return Attachment(
        name=settings.name,
        interceptor=interceptor,
        phases=frozenset(settings.on),
        targets=settings.targets,
        tools=settings.tools,
        methods=settings.methods,
        condition=condition,
        timeout_seconds=settings.timeout_seconds,
        may_fail=settings.on_failure == "allow",
        is_observing=settings.mode == "observe",
        headers=settings.headers,
        facts=settings.enriches,
        gate=Gate(most=settings.max_concurrent, breaker=breaker),
    )


def _connector(name: str, target: dict[str, Json], config: Config, clock: Clock) -> Connector:
    """The way to a server that interceptors use, and agents never see."""
    try:
        made = _TARGET.validate_python(target)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"][1:])
        raise InterceptorError(f"`{place}`: {first['msg']}") from None
    if isinstance(made, StdioTargetSettings):
        made = made.model_copy(update={"cwd": config.directory / (made.cwd or "")})
    logs = config.directory / ".callgate" / "logs"
    return build_connector(f"interceptor-{name}", made, clock, logs, is_lazy=True)


def _condition(
    settings: InterceptorSettings, config: Config, clock: Clock
) -> CedarCondition | None:
    if settings.when is None:
        return None
    names = Names(namespace=config.gateway.namespace, gateway=config.gateway.name)
    facts = {one.name: one.enriches for one in config.interceptors if one.enriches}
    return CedarCondition(settings.when, names, clock, facts)
