"""Config → the parts of a gateway: the only place that knows every adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from callgate.app.gathering import Sources
from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.config import Config
from callgate.config.tree import TargetSettings
from callgate.pipeline.gateway import Limits, Protection
from callgate.pipeline.sealing import Seal
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import Policy, PolicyError
from callgate.policy.succession import Pair, warm
from callgate.ports import Clock, Connector, StoreError
from callgate.secret_files import kept_secret
from callgate.sources.parsing import Parser
from callgate.sources.sourced import SourceError
from callgate.storage.blobs.opening import blobs_of
from callgate.storage.blobs.placing import PlacingStore
from callgate.storage.store import RecordStore
from callgate.storage.versions import StoredPolicyVersions
from callgate.upstream.functions import PythonConnector, PythonTargetSettings
from callgate.upstream.mcp_http import HttpTargetSettings, McpHttpConnector
from callgate.upstream.mcp_sse import McpSseConnector
from callgate.upstream.settings import McpTargetSettings


class PartError(Exception):
    """A part of the configuration is well-formed but cannot be built; the message says why."""


def build_connector(
    name: str, settings: TargetSettings, clock: Clock, logs: Path, *, is_lazy: bool = False
) -> Connector:
    """The connector for one target. Lazy: programs start with the first request, not before."""
    if isinstance(settings, HttpTargetSettings):
        return McpHttpConnector(
            name, settings, clock, older=lambda: McpSseConnector(name, settings, clock)
        )
    if isinstance(settings, PythonTargetSettings):
        return PythonConnector(name, settings, clock)
    # psutil and what else only programs need; connectors are built before there are calls.
    from callgate.upstream.mcp_stdio import McpStdioConnector  # noqa: PLC0415

    return McpStdioConnector(name, settings, clock, logs, is_lazy=is_lazy)


def build_engine(config: Config, enrichments: Mapping[str, Mapping[str, str]]) -> Engine:
    """The policy engine over all configured sources, to look at. Raises PartError."""
    parser = Parser()
    try:
        made = build_sources(config, parser).first()
        return engine_of(config, made.policies, enrichments)
    except (PolicyError, SourceError, StoreError) as error:
        raise PartError(f"policies: {error}") from None
    finally:
        parser.close()


def engine_of(
    config: Config,
    policies: Sequence[Policy],
    enrichments: Mapping[str, Mapping[str, str]],
    pairs: Sequence[Pair] = (),
    like: Engine | None = None,
) -> Engine:
    """The engine of a configuration, which knows beforehand what is asked about `pairs`.

    What the engine before it, `like`, knows of tools is not found out again.
    """
    names = Names(namespace=config.gateway.namespace, gateway=config.gateway.name)
    tooling = like.tooling if like is not None else None
    engine = Engine(policies, names, enrichments, mode=config.policies.mode, tooling=tooling)
    warm(engine, pairs)
    return engine


def build_sources(config: Config, parser: Parser, like: Sources | None = None) -> Sources:
    """Where the policies of a configuration come from. Raises PartError."""
    try:
        return Sources(config, StoredPolicyVersions(config.store), parser, like)
    except SourceError as error:
        raise PartError(f"policies: {error}") from None


def build_limits(config: Config) -> Limits:
    """Bounds on what a caller may send."""
    return Limits(max_body_bytes=config.gateway.max_body_bytes, max_depth=config.gateway.max_depth)


def build_store(config: Config, clock: Clock) -> PlacingStore | RecordStore:
    """The record, with a place for large payloads where it needs one. Raises StoreError."""
    settings = config.store
    store, blobs = RecordStore(settings, clock), blobs_of(settings)
    if blobs is None:
        return store
    return PlacingStore(
        store,
        blobs,
        inline_bytes=settings.inline_bytes,
        timeout_seconds=settings.blobs.timeout_seconds,
    )


def build_keeping(config: Config) -> Keeping:
    """What of arguments and results reaches the record."""
    store = config.store
    return Keeping(
        masks=Masks.parse(store.mask),
        result_masks=Masks.parse(store.mask_results),
        has_results=store.results == "full",
        exceptions=frozenset(store.results_except),
    )


def target_timeouts(config: Config) -> dict[str, float]:
    """Target → seconds."""
    return {name: target.timeout_seconds for name, target in config.targets.items()}


def may_ask(config: Config) -> dict[str, frozenset[str]]:
    """Target → what it may ask of clients, as far as policy permits it."""
    return {
        name: frozenset(target.may_ask)
        for name, target in config.targets.items()
        if isinstance(target, McpTargetSettings)
    }


def build_protection(config: Config) -> Protection:
    """Who issues tokens for this gateway."""
    jwt = config.identity.jwt
    return Protection(
        issuers=tuple(dict.fromkeys(one.issuer for one in jwt if one.secret is None)),
        scopes=tuple(dict.fromkeys(scope for one in jwt for scope in one.required_scopes)),
        public_url=config.listeners.agents.public_url,
    )


def build_seal(config: Config) -> Seal:
    """The key for what callers carry for us: the configured one, or made once and kept beside the
    record, where whoever can read it can also write the record. Raises PartError.
    """
    if config.gateway.seal_key is not None:
        return Seal.of_text(config.gateway.seal_key.get_secret_value())
    file = config.store.path.with_suffix(".seal")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        return Seal(kept_secret(file, Seal.new_key))
    except (OSError, ValueError) as error:
        raise PartError(f"store: {file} cannot be used: {error}; remove it") from None
