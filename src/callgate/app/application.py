"""A gateway's life: start, reload without dropping a call, stop without losing one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from callgate.app import checking
from callgate.app.chains import build_chain, ended_on_failure
from callgate.app.checking import Checks
from callgate.app.chronicle import Chronicle
from callgate.app.clock import SystemClock
from callgate.app.gathering import PolicySet, Sources
from callgate.app.parts import (
    PartError,
    build_connector,
    build_keeping,
    build_limits,
    build_protection,
    build_seal,
    build_sources,
    build_store,
    may_ask,
    target_timeouts,
)
from callgate.app.swapping import Trial, loaded, successor
from callgate.config import Config, ConfigError, load_config
from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.sessions import Session, Sessions
from callgate.identity.chain import FirstThatKnows, build_authenticator
from callgate.identity.fetching import FetchError, HttpFetch
from callgate.identity.signing_keys import IssuerError
from callgate.pipeline.gateway import Gateway
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import Policy
from callgate.policy.succession import release
from callgate.policy.validation import Finding
from callgate.ports import Connector, Telemetry
from callgate.sources.git_child import Found
from callgate.sources.parsing import Parser
from callgate.telemetry.nothing import NoTelemetry
from callgate.upstream.catalog import LiveCatalog
from callgate.upstream.tasks import Tasks
from callgate.version import VERSION

_log = logging.getLogger("callgate")

Connectors = dict[str, Connector]
SWEEP_SECONDS = 60.0  # between two looks for sessions that nobody uses
SETTLE_SECONDS = 10.0  # how long a reload waits for the targets of the new configuration
RETIRE_SECONDS = 300.0  # how long a reload keeps what it replaced, for calls in flight there
DRAIN_SECONDS = 30.0  # how long a stop waits for calls in flight


class Application:
    """Holds the current gateway and everything that outlives a reload."""

    def __init__(self, config: Config, *, is_lazy: bool = False) -> None:
        """`is_lazy`: for one host only, whose targets start when it first uses them."""
        self.config = config
        self._is_lazy = is_lazy
        self.clock = SystemClock()
        self.loaded_at = self.clock.now()
        self.reload_problem: str | None = None
        self.wanted: frozenset[Path] = frozenset()  # files of what was to be put into force last
        self.telemetry: Telemetry = NoTelemetry()  # set another before the start
        self._fetch = HttpFetch()
        self.store = build_store(config, self.clock)
        self._seal = build_seal(config)
        self.chronicle = Chronicle(self.store, self.clock)
        self.sessions = Sessions(
            self.clock,
            idle_seconds=config.gateway.session_idle_seconds,
            most=config.gateway.max_sessions,
            on_close=self._ended,
        )
        self._tasks = Tasks()
        self.parser = Parser()
        self.sources: Sources  # of the current configuration
        self.policies: PolicySet  # in force
        self.checks = Checks()
        self.dispatcher = Dispatcher(lambda: self.gateway, self.sessions, VERSION)
        self._connectors: Connectors = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self.changing = asyncio.Lock()  # who holds it may put something else into force
        self.gateway: Gateway

    async def start(self) -> None:
        """Opens the store, then everything else. Raises PartError, StoreError."""
        for warning in self.config.warnings:
            _log.warning("%s", warning)
        await self.store.open()
        try:
            await self.start_targets()
            await self.chronicle.begin(self.config, self.policies, self.gateway.engine)
        except BaseException:
            await asyncio.to_thread(self.parser.close)
            await self.store.close()
            raise

    async def start_targets(self) -> None:
        """Only the targets and the policies, without a record: to look, not to call."""
        self.sources = build_sources(self.config, self.parser)
        self.policies = await loaded(self.sources.first)
        connectors = self._build_connectors(self.config)
        self.gateway = await self._build(self.config, connectors, Engine((), Names()))
        self.gateway = (await successor(self.config, self.policies, self.gateway)).gateway
        self._connectors = connectors
        await asyncio.to_thread(self.sources.keep, self.policies)
        for connector in connectors.values():
            await connector.start()
        await self.catalog.start()
        self._follow(self.catalog)
        self._tasks.start(self._sweep(), "sweeping sessions")

    def _follow(self, catalog: LiveCatalog) -> None:
        """Passes on what targets announce; the catalogue forgets it when it stops."""

        def pass_on(target: str, what: str) -> None:
            self._tasks.start(self.dispatcher.announce(target, what), "announcing")
            if what == "tools":
                self._tasks.start(self._check_again(target), "checking policies")

        catalog.subscribe(pass_on)
        self.chronicle.follow(catalog)

    def _ended(self, session: Session) -> None:
        """A session of an agent is over: so is whatever targets keep for it."""
        self.dispatcher.forget(session)
        self._release(session.key)

    def _release(self, key: str) -> None:
        for connector in self._connectors.values():
            self._tasks.start(connector.release(key), "releasing")

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.sessions.sweep()
            idle_since = self.clock.now() - self.config.gateway.session_idle_seconds
            for key in self.dispatcher.idle_keys(idle_since):
                self._release(key)

    @property
    def catalog(self) -> LiveCatalog:
        """The catalogue of the current gateway."""
        assert isinstance(self.gateway.catalog, LiveCatalog)  # noqa: S101 - the only one we build
        return self.gateway.catalog

    def _build_connectors(self, config: Config) -> Connectors:
        """Targets whose settings did not change keep their connector, and so their sessions."""
        logs = config.directory / ".callgate" / "logs"
        made: Connectors = {}
        for name, settings in config.targets.items():
            if name in self._connectors and self.config.targets.get(name) == settings:
                made[name] = self._connectors[name]
            else:
                made[name] = build_connector(
                    name, settings, self.clock, logs, is_lazy=self._is_lazy
                )
        return made

    async def _build(self, config: Config, connectors: Connectors, engine: Engine) -> Gateway:
        """All but the policies: `engine` stands in for theirs."""
        chain = await build_chain(config, self.clock, like=getattr(self, "gateway", None))
        async with ended_on_failure(chain):
            try:
                authenticator = build_authenticator(
                    config.identity, self.clock, self._fetch, like=self._authenticator()
                )
            except (IssuerError, FetchError) as error:
                raise PartError(f"identity: {error}") from None
        return Gateway(
            authenticator=authenticator,
            catalog=LiveCatalog(connectors, self.clock, is_lazy=self._is_lazy),
            engine=engine,
            chain=chain,
            store=self.store,
            telemetry=self.telemetry,
            clock=self.clock,
            keeping=build_keeping(config),
            definitions=self.chronicle.definitions,
            runs=self.chronicle.runs,
            limits=build_limits(config),
            name=config.gateway.name,
            instructions=config.gateway.instructions,
            refuses_as_error=config.gateway.refusals == "json_rpc_error",
            lists=config.policies.lists,
            target_timeouts=target_timeouts(config),
            may_ask=may_ask(config),
            protection=build_protection(config),
            seal=self._seal,
        )

    def _authenticator(self) -> FirstThatKnows | None:
        """The one in force: a new one takes over the keys that issuers published."""
        authenticator = getattr(getattr(self, "gateway", None), "authenticator", None)
        return authenticator if isinstance(authenticator, FirstThatKnows) else None

    async def policy_findings(self, gateway: Gateway, targets: Iterable[str]) -> list[Finding]:
        """What is wrong with the policies, against the tools known now. Off the event loop."""
        policies = gateway.engine.policies
        return await checking.look(gateway, targets, policies, is_lazy=self._is_lazy)

    async def report_findings(self) -> None:
        """Says in the log what is wrong with the policies, once the targets have been listed."""
        await self.catalog.ensure()
        await self._check(self.gateway.engine.policies)

    async def _check(self, policies: Sequence[Policy]) -> None:
        gateway = self.gateway
        found = await checking.look(gateway, self.config.targets, policies, is_lazy=self._is_lazy)
        if gateway.engine is self.gateway.engine:  # else the swap has looked itself
            self.checks.take(policies, found)

    async def _check_again(self, target: str) -> None:
        """A target's tools are others: do the policies on them still fit?"""
        engine = self.gateway.engine
        policies = await asyncio.to_thread(
            checking.concerned, engine.policies, engine.names, target
        )
        await self._check(policies)

    async def reload(self, file: Path | None = None) -> None:
        """Puts a new configuration into force. Raises ConfigError, PartError; the old one stays."""
        try:
            async with self.changing:  # the watch on files and an operator may both ask
                await self._reload(load_config(file or self.config.file))
        except (ConfigError, PartError) as error:
            self.reload_problem = str(error)
            raise
        self.reload_problem = None

    async def _reload(self, config: Config) -> None:
        self.wanted = config.depends_on
        sources = build_sources(config, self.parser, like=self.sources)
        made = await loaded(sources.first)
        connectors = self._build_connectors(config)
        built = await self._build(config, connectors, self.gateway.engine)
        async with ended_on_failure(built.chain):
            trial = await successor(config, made, built)
        gateway = trial.gateway
        fresh = [c for name, c in connectors.items() if c is not self._connectors.get(name)]
        for connector in fresh:
            await connector.start()
        catalog = gateway.catalog
        assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the only one we build
        await catalog.start()
        found: list[Finding] = []
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await catalog.ensure()
            found = await self.policy_findings(gateway, config.targets)
            self._refuse_new(found)
            await self.chronicle.define(trial.gateway.engine)
        except TimeoutError:
            _log.warning("not every target answered; their tools are refused until they do")
            await self.chronicle.define(trial.gateway.engine)
        except BaseException:  # also a stop in the middle: what was started for it is ended
            await gateway.chain.close()
            await catalog.stop()
            for connector in fresh:
                await connector.close()
            raise
        self.sources = sources
        self.chronicle.config(self.config, config)
        self._swap(config, gateway, connectors)
        self._now_in_force(replace(trial, news=made.policies, found=tuple(found)))

    def _refuse_new(self, found: Iterable[Finding]) -> None:
        if new := self.checks.are_new(found):
            raise PartError(f"policies: {new[0].source}: {new[0].policy}: {new[0].message}")

    async def change_policies(self, commit: Found | None = None, of: Sources | None = None) -> None:
        """Puts the policies of all sources, as they are now, into force. Connections stay.

        `commit` is another one in the repository of these sources, and nothing where a reload has
        put others in their place. Raises PartError: the old policies stay.
        """
        async with self.changing:
            sources, before = self.sources, self.sources.found
            if of is not None and of is not sources:
                return
            try:
                sources.found = commit or before
                made = await loaded(sources.load)
                trial = await self.try_policies(made)
                self._refuse_new(trial.found)
                await self.chronicle.define(trial.gateway.engine)
            except PartError as error:
                sources.found = before
                sources.stay(str(error) if commit is not None else before.problem)
                self.reload_problem = str(error)
                raise
            self.swap_policies(trial)
            self.reload_problem = None

    async def try_policies(self, made: PolicySet) -> Trial:
        """What these policies would be, and what is found about those that are new.

        Changes nothing. Hold `changing` meanwhile.
        """
        trial = await successor(self.config, made, self.gateway)
        found = await checking.look(
            trial.gateway, self.config.targets, trial.news, is_lazy=self._is_lazy
        )
        return replace(trial, found=tuple(found))

    def swap_policies(self, trial: Trial) -> None:
        """Puts what `try_policies` gave into force; the record has them. Hold `changing` since."""
        old, self.gateway = self.gateway, trial.gateway
        self._now_in_force(trial)
        self._start_retiring(self._release_engine(old))
        for target in self._connectors:
            self._tasks.start(self._announce_all(target), "announcing")
        _log.info("policy set %s is in force", trial.gateway.engine.version)

    def _now_in_force(self, trial: Trial) -> None:
        """Notes a new set, and tells of it. Quick, whatever its size."""
        self.policies = trial.made
        self.checks.take(trial.news, trial.found)
        self.checks.keep_only(trial.ids)
        self._tasks.start(asyncio.to_thread(self.sources.keep, trial.made), "noting the commit")
        self.chronicle.policies(trial.made, trial.gateway.engine)

    async def _release_engine(self, old: Gateway) -> None:
        await self._calls_end()
        release(old.engine)

    def _swap(self, config: Config, gateway: Gateway, connectors: Connectors) -> None:
        old, old_connectors = self.gateway, self._connectors
        self.gateway, self.config, self._connectors = gateway, config, connectors
        self._follow(self.catalog)
        for target in connectors:
            self._tasks.start(self._announce_all(target), "announcing")
        self.loaded_at = self.clock.now()
        replaced = [name for name, c in old_connectors.items() if connectors.get(name) is not c]
        gone = [old_connectors[name] for name in replaced]
        self.dispatcher.end_listening(replaced)
        self._start_retiring(self._retire(old, gone))
        _log.info(
            "configuration %s is in force, policies %s", config.digest[:12], gateway.engine.version
        )

    def _start_retiring(self, work: Coroutine[None, None, None]) -> None:
        # Held until done, awaited in stop(): it outlives the reload, not the application.
        task = asyncio.get_running_loop().create_task(work)
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)

    async def _announce_all(self, target: str) -> None:
        """New policies, too, change what a list shows."""
        for what in ("tools", "resources", "prompts"):
            await self.dispatcher.announce(target, what)

    async def _retire(self, old: Gateway, connectors: list[Connector]) -> None:
        """Ends what a reload replaced, once the calls that began before it have ended."""
        await self._calls_end()
        await self._close_gateway(old)
        release(old.engine)
        for connector in connectors:
            await connector.close()

    async def _calls_end(self) -> None:
        """Waits for the calls that are on their way now."""
        active = set(self.dispatcher.active)
        if active:
            # Bounded: some answers never end, such as those that tell what changes.
            await asyncio.wait(active, timeout=RETIRE_SECONDS)

    async def _close_gateway(self, gateway: Gateway) -> None:
        if isinstance(gateway.catalog, LiveCatalog):
            await gateway.catalog.stop()
        if isinstance(gateway.authenticator, FirstThatKnows):
            await gateway.authenticator.close()
        await gateway.chain.close()

    async def stop(self) -> None:
        """Finishes or refuses what is in flight, then ends targets, then closes the record."""
        await self.dispatcher.drain(DRAIN_SECONDS)
        self.sessions.close_all()
        if self._retiring:
            await asyncio.wait(set(self._retiring), timeout=5)
        await self.stop_targets()
        self.chronicle.end()
        await self.store.close()

    async def stop_targets(self) -> None:
        """Ends what `start_targets` began."""
        await self._close_gateway(self.gateway)
        for connector in self._connectors.values():
            await connector.close()
        await self._tasks.close()
        await self._fetch.close()
        await asyncio.to_thread(self.parser.close)
