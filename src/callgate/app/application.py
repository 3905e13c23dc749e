"""A gateway's life: start, reload without dropping a call, stop without losing one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from pathlib import Path

from callgate.app.clock import SystemClock
from callgate.app.parts import (
    PartError,
    build_chain,
    build_connector,
    build_engine,
    build_limits,
    build_masks,
    build_protection,
    build_seal,
    may_ask,
    target_timeouts,
)
from callgate.config import Config, ConfigError, load_config
from callgate.downstream.dispatch import Dispatcher
from callgate.downstream.sessions import Session, Sessions
from callgate.identity.chain import FirstThatKnows, build_authenticator
from callgate.identity.fetching import FetchError, HttpFetch
from callgate.identity.signing_keys import IssuerError
from callgate.pipeline.gateway import Gateway
from callgate.policy.validation import Finding, findings
from callgate.ports import Connector, Telemetry
from callgate.protocol.methods import widest_offer
from callgate.storage.sqlite import SqliteCallStore
from callgate.telemetry.nothing import NoTelemetry
from callgate.upstream.catalog import LiveCatalog
from callgate.upstream.tasks import Tasks
from callgate.version import VERSION

_log = logging.getLogger("callgate")

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
        self.telemetry: Telemetry = NoTelemetry()  # set another before the start
        self._fetch = HttpFetch()
        self.store = SqliteCallStore(config.store, self.clock)
        self._seal = build_seal(config)
        self.sessions = Sessions(
            self.clock,
            idle_seconds=config.gateway.session_idle_seconds,
            most=config.gateway.max_sessions,
            on_close=self._ended,
        )
        self._tasks = Tasks()
        self.dispatcher = Dispatcher(lambda: self.gateway, self.sessions, VERSION)
        self._connectors: dict[str, Connector] = {}
        self._retiring: set[asyncio.Task[None]] = set()
        self._reloading = asyncio.Lock()
        self.gateway: Gateway

    async def start(self) -> None:
        """Opens the store, then everything else. Raises PartError, StoreError."""
        for warning in self.config.warnings:
            _log.warning("%s", warning)
        await self.store.open()
        try:
            await self.start_targets()
        except BaseException:
            await self.store.close()
            raise

    async def start_targets(self) -> None:
        """Only the targets and the policies, without a record: to look, not to call."""
        connectors = self._build_connectors(self.config)
        self.gateway = self._build(self.config, connectors)
        self._connectors = connectors
        for connector in connectors.values():
            await connector.start()
        await self.catalog.start()
        self._follow(self.catalog)
        self._tasks.start(self._sweep(), "sweeping sessions")

    def _follow(self, catalog: LiveCatalog) -> None:
        """Passes on what targets announce; the catalogue forgets it when it stops."""

        def pass_on(target: str, what: str) -> None:
            self._tasks.start(self.dispatcher.announce(target, what), "announcing")

        catalog.subscribe(pass_on)

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
        catalog = self.gateway.catalog
        assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the only one we build
        return catalog

    def _build_connectors(self, config: Config) -> dict[str, Connector]:
        """Targets whose settings did not change keep their connector, and so their sessions."""
        logs = config.directory / ".callgate" / "logs"
        made: dict[str, Connector] = {}
        for name, settings in config.targets.items():
            if name in self._connectors and self.config.targets.get(name) == settings:
                made[name] = self._connectors[name]
            else:
                made[name] = build_connector(
                    name, settings, self.clock, logs, is_lazy=self._is_lazy
                )
        return made

    def _build(self, config: Config, connectors: dict[str, Connector]) -> Gateway:
        chain = build_chain(config)
        try:
            authenticator = build_authenticator(
                config.identity, self.clock, self._fetch, like=self._authenticator()
            )
        except (IssuerError, FetchError) as error:
            raise PartError(f"identity: {error}") from None
        return Gateway(
            authenticator=authenticator,
            catalog=LiveCatalog(connectors, self.clock, is_lazy=self._is_lazy),
            engine=build_engine(config, chain.enrichments),
            chain=chain,
            store=self.store,
            telemetry=self.telemetry,
            clock=self.clock,
            masks=build_masks(config),
            limits=build_limits(config),
            name=config.gateway.name,
            instructions=config.gateway.instructions,
            refuses_as_error=config.gateway.refusals == "json_rpc_error",
            target_timeouts=target_timeouts(config),
            may_ask=may_ask(config),
            protection=build_protection(config),
            seal=self._seal,
        )

    def _authenticator(self) -> FirstThatKnows | None:
        """The one in force: a new one takes over the keys that issuers published."""
        known = getattr(self, "gateway", None)
        authenticator = known.authenticator if known is not None else None
        return authenticator if isinstance(authenticator, FirstThatKnows) else None

    async def policy_findings(self, gateway: Gateway, targets: Iterable[str]) -> list[Finding]:
        """What is wrong with the policies, against the tools known now. Off the event loop."""
        names = tuple(targets)
        found = await self._findings(gateway, names)
        if not found or self._is_lazy:
            return found
        # Some targets list more to clients that can be asked; only now is that worth a session.
        catalog = gateway.catalog
        offers = {name: widest_offer(gateway.may_ask.get(name, ())) for name in names}
        await asyncio.gather(*(catalog.ensure(name, offer) for name, offer in offers.items()))
        return await self._findings(gateway, names)

    @staticmethod
    async def _findings(gateway: Gateway, targets: tuple[str, ...]) -> list[Finding]:
        engine, catalog = gateway.engine, gateway.catalog
        assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the only one we build
        tools = list(catalog.every_tool())
        listed = {
            name: bool(catalog.every_tool(name)) or catalog.connector(name).status.is_ready
            for name in targets
        }
        return await asyncio.to_thread(
            findings, engine.names, engine.policies, tools, gateway.chain.enrichments, listed
        )

    async def report_findings(self) -> None:
        """Says in the log what is wrong with the policies, once the targets have been listed."""
        await self.catalog.ensure()
        for finding in await self.policy_findings(self.gateway, self.config.targets):
            _log.error("policy %s (%s): %s", finding.policy, finding.source, finding.message)

    async def reload(self, file: Path | None = None) -> None:
        """Puts a new configuration into force. Raises ConfigError, PartError; the old one stays."""
        try:
            async with self._reloading:  # the watch on files and an operator may both ask
                await self._reload(load_config(file or self.config.file))
        except (ConfigError, PartError) as error:
            self.reload_problem = str(error)
            raise
        self.reload_problem = None

    async def _reload(self, config: Config) -> None:
        connectors = self._build_connectors(config)
        gateway = self._build(config, connectors)
        fresh = [c for name, c in connectors.items() if c is not self._connectors.get(name)]
        for connector in fresh:
            await connector.start()
        catalog = gateway.catalog
        assert isinstance(catalog, LiveCatalog)  # noqa: S101 - the only one we build
        await catalog.start()
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await catalog.ensure()
            broken = [f for f in await self.policy_findings(gateway, config.targets) if f.is_error]
            known = {(f.policy, f.message) for f in await self._present_findings()}
            if new := [f for f in broken if (f.policy, f.message) not in known]:
                raise PartError(f"policies: {new[0].source}: {new[0].policy}: {new[0].message}")
        except TimeoutError:
            _log.warning("not every target answered; their tools are refused until they do")
        except BaseException:  # also a stop in the middle: what was started for it is ended
            await catalog.stop()
            for connector in fresh:
                await connector.close()
            raise
        self._swap(config, gateway, connectors)

    async def _present_findings(self) -> list[Finding]:
        return await self.policy_findings(self.gateway, self.config.targets)

    def _swap(self, config: Config, gateway: Gateway, connectors: dict[str, Connector]) -> None:
        old, old_connectors = self.gateway, self._connectors
        for block in ("listeners", "store", "telemetry"):
            if getattr(config, block) != getattr(self.config, block):
                _log.warning("`%s` changed: restart the gateway for it to take effect", block)
        self.gateway, self.config, self._connectors = gateway, config, connectors
        self._follow(self.catalog)
        for target in connectors:
            self._tasks.start(self._announce_all(target), "announcing")
        self.loaded_at = self.clock.now()
        replaced = [name for name, c in old_connectors.items() if connectors.get(name) is not c]
        gone = [old_connectors[name] for name in replaced]
        self.dispatcher.end_listening(replaced)
        # Held until done, awaited in stop(): it outlives the reload, not the application.
        task = asyncio.get_running_loop().create_task(self._retire(old, gone))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        _log.info(
            "configuration %s is in force, policies %s", config.digest[:12], gateway.engine.version
        )

    async def _announce_all(self, target: str) -> None:
        """New policies, too, change what a list shows."""
        for what in ("tools", "resources", "prompts"):
            await self.dispatcher.announce(target, what)

    async def _retire(self, old: Gateway, connectors: list[Connector]) -> None:
        """Ends what a reload replaced, once the calls that began before it have ended."""
        active = set(self.dispatcher.active)
        if active:
            # Bounded: some answers never end, such as those that tell what changes.
            await asyncio.wait(active, timeout=RETIRE_SECONDS)
        await self._close_gateway(old)
        for connector in connectors:
            await connector.close()

    async def _close_gateway(self, gateway: Gateway) -> None:
        if isinstance(gateway.catalog, LiveCatalog):
            await gateway.catalog.stop()
        if isinstance(gateway.authenticator, FirstThatKnows):
            await gateway.authenticator.close()

    async def stop(self) -> None:
        """Finishes or refuses what is in flight, then ends targets, then closes the record."""
        await self.dispatcher.drain(DRAIN_SECONDS)
        self.sessions.close_all()
        if self._retiring:
            await asyncio.wait(set(self._retiring), timeout=5)
        await self.stop_targets()
        await self.store.close()

    async def stop_targets(self) -> None:
        """Ends what `start_targets` began."""
        await self._close_gateway(self.gateway)
        for connector in self._connectors.values():
            await connector.close()
        await self._tasks.close()
        await self._fetch.close()
