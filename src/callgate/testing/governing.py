"""The whole call path in a test: real stages, policies, interceptors; targets in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from callgate.app.chains import build_attachment
from callgate.app.clock import SystemClock
from callgate.app.parts import (
    build_connector,
    build_engine,
    build_keeping,
    build_limits,
    may_ask,
    target_timeouts,
)
from callgate.config import Config, load_config
from callgate.config.tree import Origin
from callgate.interceptors.python_hook import PythonHook
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Call, Era, Json, Principal, Proof, Refused, split_name
from callgate.pipeline.attaching import Attachment, Chain
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.ports import Clock, Connector
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Interceptor
from callgate.telemetry.nothing import NoTelemetry
from callgate.testing.building import named_principal
from callgate.testing.outcomes import Agent, Ended, MemoryStore, ended
from callgate.testing.targets import Answer, InMemoryTarget
from callgate.upstream.catalog import LiveCatalog
from callgate.upstream.functions import PythonTargetSettings

PERMIT_ALL = '@id("permit-all")\npermit (principal, action, resource);'
Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hooked:
    """The settings of an interceptor, and the interceptor where it is not made of them."""

    settings: InterceptorSettings
    interceptor: Interceptor | None = None


def attach(
    interceptor: Function | Interceptor,
    on: str | Iterable[str] = "request",
    *,
    name: str | None = None,
    **settings: Any,
) -> Hooked:
    """A function (as the kind `python` takes it) or an Interceptor, at a place in the chain.

    `settings` are those of callgate.yaml: `tools`, `when`, `timeout_seconds`, `on_failure`,
    `enriches`, `headers`, `mode` and so on. `name` is that of the function where left out.
    Raises pydantic.ValidationError.
    """
    own = name or str(getattr(interceptor, "__name__", type(interceptor).__name__)).strip("<>_")
    written = {"name": own, "python": "in_memory:function", **settings}
    made = InterceptorSettings.model_validate(
        {**written, "on": {on} if isinstance(on, str) else on}
    )
    return Hooked(made, _as_interceptor(interceptor, made.name))


def _as_interceptor(given: Any, name: str) -> Interceptor:
    if hasattr(given, "on_request") and not isinstance(given, type):
        made: Interceptor = given
        return made
    return PythonHook(given, name)


@dataclass(frozen=True, slots=True)
class Scene:
    """What a gateway in a test is made of."""

    config: Config
    interceptors: tuple[Hooked, ...]
    policies: str | None  # in place of those of the configuration
    tools: Mapping[str, Answer]
    principal: Principal
    clock: Clock


def governed(
    config: Path | str | None = None,
    *,
    interceptors: Iterable[Function | Hooked | Mapping[str, Any]] = (),
    policies: str | None = None,
    tools: Mapping[str, Answer] | None = None,
    principal: Principal | str = "ada",
    clock: Clock | None = None,
) -> Governed:
    """Calls through the real call path: `with governed(…) as gate: gate.call("shop___refund", …)`.

    `config` is a callgate.yaml: its policies, interceptors and masks are used, and its Python
    targets run as they are. Without one, everything is permitted that `policies` does not decide,
    and what `tools` names is all there is.

    `interceptors` come after those of the configuration: functions that are asked before each call,
    `attach(…)` for all else, or settings as in callgate.yaml. `policies` is Cedar text, in place of
    what the configuration has. `tools` maps full names (`shop___refund`) to a function, or to what
    the tool answers whatever it is asked: a text, structured content, or a whole result with its
    `content`; they replace their target whole. `principal` is who calls where a call does not say.

    Raises ConfigError, PartError and PolicyError where a gateway would not start.
    """
    return Governed(
        Scene(
            config=_configured(config, tools or {}),
            interceptors=tuple(map(_hooked, interceptors)),
            policies=PERMIT_ALL if policies is None and config is None else policies,
            tools=tools or {},
            principal=named_principal(principal),
            clock=clock or SystemClock(),
        )
    )


def _hooked(given: Function | Hooked | Mapping[str, Any]) -> Hooked:
    if isinstance(given, Mapping):
        return Hooked(InterceptorSettings.model_validate(given))
    return given if isinstance(given, Hooked) else attach(given)


class Governed:
    """A gateway for as long as a `with` block lasts. `gateway` is what stands behind it."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._runner: asyncio.Runner | None = None
        self.store = MemoryStore()
        self.targets: dict[str, Connector] = {}
        self.gateway: Gateway

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        try:
            self._runner.run(self.__aenter__())
        except BaseException:
            self._runner.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._runner is not None  # noqa: S101 - entered
        try:
            self._runner.run(self._stop())
        finally:
            self._runner.close()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stop()

    def call(self, tool: str, arguments: Mapping[str, Json] | None = None, **more: Any) -> Ended:
        """Calls a tool by its full name; `more` as `acall` takes it. In a `with` block."""
        if self._runner is None:
            raise RuntimeError("use `with governed(…) as gate`, or `await gate.acall(…)`")
        return self._runner.run(self.acall(tool, arguments, **more))

    async def acall(
        self,
        tool: str,
        arguments: Mapping[str, Json] | None = None,
        *,
        principal: Principal | str | None = None,
        headers: Mapping[str, str] | None = None,
        meta: Mapping[str, Json] | None = None,
        session: str | None = None,
    ) -> Ended:
        """The same in an `async with` block. `session` joins the calls of one run."""
        if not hasattr(self, "gateway"):
            raise RuntimeError("use `with governed(…) as gate`")
        target = self.targets.get(_names(tool)[0])
        if isinstance(target, _Absent):
            raise LookupError(
                f"{target.name} does not run in tests; say what the tool answers: "
                f"governed(…, tools={{{tool!r}: …}})"
            )
        seen = self.gateway.chain.headers
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        call = Call(
            id=self.gateway.new_call_id(),
            received_at=self.gateway.clock.now(),
            era=Era.MODERN,
            protocol_version="2026-07-28",
            proof=Proof(),
            requested_name=tool,
            arguments={**(arguments or {})},
            meta={**(meta or {})},
            session_id=session,
            principal=self._scene.principal if principal is None else named_principal(principal),
            headers={name: value for name, value in lowered.items() if name in seen},
        )
        agent = Agent()
        outcome = await govern(call, self.gateway, agent)
        sent = target.arguments_of(call.id) if isinstance(target, InMemoryTarget) else None
        return ended(outcome, self.store, agent, sent)

    async def _start(self) -> None:
        scene, clock = self._scene, self._scene.clock
        config = scene.config
        chain = Chain(tuple(self._attachments()))
        if scene.policies is not None:
            names = Names(namespace=config.gateway.namespace, gateway=config.gateway.name)
            read = read_policies([("policies", scene.policies)])
            engine = Engine(read, names, chain.enrichments, mode=config.policies.mode)
        else:
            engine = build_engine(config, chain.enrichments)
        self.targets = dict(self._connectors())
        catalog = LiveCatalog(self.targets, clock)
        self.gateway = Gateway(
            authenticator=_Nobody(),
            catalog=catalog,
            engine=engine,
            chain=chain,
            store=self.store,
            telemetry=NoTelemetry(),
            clock=clock,
            keeping=build_keeping(config),
            limits=build_limits(config),
            name=config.gateway.name,
            target_timeouts=target_timeouts(config),
            may_ask=may_ask(config),
        )
        await catalog.start()
        await catalog.ensure()
        self._check_names(catalog)

    def _check_names(self, catalog: LiveCatalog) -> None:
        """An interceptor for a tool that is not there would never be asked. Raises LookupError."""
        known = {tool.qualified_name for tool in catalog.tools()}
        for one in self._scene.interceptors:
            for name in one.settings.tools or ():
                if name not in known and _names(name)[1] not in METHODS:
                    there = ", ".join(sorted(known)) or "none"
                    raise LookupError(f"{one.settings.name} is for {name}; the tools are {there}")

    async def _stop(self) -> None:
        if not hasattr(self, "gateway"):
            return  # it could not be made
        catalog = self.gateway.catalog
        assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the one that was made above
        await catalog.stop()
        for connector in self.targets.values():
            await connector.close()
        await self.gateway.chain.close()

    def _attachments(self) -> Iterator[Attachment]:
        scene = self._scene
        all_of_them = (*map(Hooked, scene.config.interceptors), *scene.interceptors)
        settings = tuple(one.settings for one in all_of_them)
        names = [one.name for one in settings]
        if len(set(names)) < len(names):
            raise ValueError(f"two interceptors have one name: {', '.join(names)}; attach(name=…)")
        # Conditions may read the facts of all of them.
        config = scene.config.model_copy(update={"interceptors": settings})
        for one in all_of_them:
            yield build_attachment(one.settings, config, scene.clock, one.interceptor)

    def _connectors(self) -> Iterator[tuple[str, Connector]]:
        scene = self._scene
        named: dict[str, dict[str, Answer]] = {}
        for name, answer in scene.tools.items():
            target, own = _names(name)
            named.setdefault(target, {})[own] = answer
        logs = scene.config.directory / ".callgate" / "logs"
        for name, settings in scene.config.targets.items():
            if name in named:
                yield name, InMemoryTarget(name, named[name], scene.clock)
            elif isinstance(settings, PythonTargetSettings):
                yield name, build_connector(name, settings, scene.clock, logs)
            else:
                yield name, _Absent(name, {}, scene.clock)


def _names(tool: str) -> tuple[str, str]:
    names = split_name(None, tool)
    if names is None:
        raise ValueError(f"{tool!r} is not of the form <target>___<tool>")
    return names


class _Absent(InMemoryTarget):
    """A target of the configuration that a test says nothing of."""


class _Nobody:
    """Implements Authenticator: calls come with their principal."""

    async def authenticate(self, proof: Proof) -> Principal | None:
        raise Refused("unauthenticated", "Calls in tests say who makes them.")


def _configured(file: Path | str | None, tools: Mapping[str, Answer]) -> Config:
    targets = {_names(name)[0]: {"python": "in_memory"} for name in tools}
    if file is not None:
        config = load_config(Path(file))
        for name in targets.keys() - config.targets.keys():
            raise ValueError(f"{name} is no target of {file}")
        return config
    return bare_config(Path.cwd(), targets=targets)


def bare_config(directory: Path, **blocks: Any) -> Config:
    """A configuration that is in no file; relative paths start in `directory`."""
    config = Config.model_validate(blocks)
    config._origin = Origin(
        file=directory / "callgate.yaml",
        digest="",
        policy_files=(),
        depends_on=frozenset(),
        warnings=(),
        shown={},
    )
    return config
