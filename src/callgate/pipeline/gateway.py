"""What the stages may use: one frozen dataclass of ports and policies."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from callgate.audit.record import Masks
from callgate.model import Principal, Proof, Refused
from callgate.pipeline.interception import Chain
from callgate.pipeline.sealing import Seal
from callgate.policy.engine import Engine
from callgate.ports import Authenticator, CallStore, Catalog, Clock, Telemetry


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
    masks: Masks = field(default_factory=Masks)
    limits: Limits = field(default_factory=Limits)
    name: str = "main"
    instructions: str | None = None
    refuses_as_error: bool = False  # JSON-RPC errors instead of tool results
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

    def new_call_id(self) -> str:
        """Sortable by time, unguessable: `c` + 48 bits of milliseconds + 64 random bits, in hex."""
        return f"c{int(self.clock.now() * 1000):012x}{secrets.token_hex(8)}"
