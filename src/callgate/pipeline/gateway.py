"""What the stages may use: one frozen dataclass of ports and policies."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from callgate.audit.keeping import Keeping
from callgate.model import Client, Features, Offer, Principal, Proof, Refused
from callgate.pipeline.attaching import Chain
from callgate.pipeline.defining import Definitions
from callgate.pipeline.identifying import Letters
from callgate.pipeline.offering import offer_of
from callgate.pipeline.sealing import Seal
from callgate.policy.engine import Engine
from callgate.ports import Authenticator, CallStore, Catalog, Clock, Telemetry
from callgate.sessions.runs import Runs

FEATURES_SECONDS = 10.0  # for a target to say what it can do; who is late is not waited for


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller may send."""

    max_body_bytes: int = 4 << 20
    max_depth: int = 64


@dataclass(frozen=True, slots=True)
class Protection:
    """Who issues the tokens that open this gateway, and where callers find it."""

    issuers: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    public_url: str | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One configuration, running. A reload makes another; calls in flight keep theirs."""

    authenticator: Authenticator
    catalog: Catalog
    engine: Engine
    chain: Chain
    store: CallStore
    telemetry: Telemetry
    clock: Clock
    keeping: Keeping = field(default_factory=Keeping)
    definitions: Definitions = field(default_factory=Definitions)
    runs: Runs = field(default_factory=Runs)
    letters: Letters = field(default_factory=Letters)  # of call ids
    limits: Limits = field(default_factory=Limits)
    name: str = "main"
    instructions: str | None = None
    refuses_as_error: bool = False  # JSON-RPC errors instead of tool results
    lists: str = "plain"  # plain | hints | narrow: what tools/list says of permitted arguments
    target_timeouts: dict[str, float] = field(default_factory=dict)  # target → seconds
    may_ask: dict[str, frozenset[str]] = field(default_factory=dict)  # target → capabilities
    protection: Protection = field(default_factory=Protection)
    seal: Seal = field(default_factory=lambda: Seal(Seal.new_key()))

    async def identified(
        self, proof: Proof, hint: str = "Present a bearer token or an API key."
    ) -> Principal:
        """Who presents this proof. Raises Refused: nobody passes unknown."""
        principal = await self.authenticator.authenticate(proof)
        if principal is None:
            raise Refused("unauthenticated", hint)
        return principal

    def offer(self, principal: Principal, client: Client, target: str) -> Offer:
        """What the target may ask of this client."""
        return offer_of(principal, client, target, self.engine, self.may_ask)

    async def features(self, principal: Principal, client: Client, target: str) -> Features:
        """What a target says that it can do. Down, slow or lying: Refused(`target_unavailable`)."""
        offer = self.offer(principal, client, target)
        try:
            async with asyncio.timeout(FEATURES_SECONDS):
                return await self.catalog.connector(target).features(offer)
        except Exception as error:  # noqa: BLE001 - whatever a target's fault is, it can do nothing
            reason = f"The target {target} is down."
            detail = f"{type(error).__name__}: {error}"
            raise Refused("target_unavailable", reason, detail=detail) from None

    def new_call_id(self) -> str:
        """Sortable by time, unguessable: `c` + 48 bits of milliseconds + 64 random bits, in hex."""
        return f"c{int(self.clock.now() * 1000):012x}{self.letters.next()}"
