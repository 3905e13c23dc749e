"""Calls that went through the real stages, kept as a record on disk."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from callgate.audit.record import Entry
from callgate.model import Principal
from callgate.pipeline.pipeline import govern
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.definitions import read_tool
from callgate.storage.settings import StoreSettings
from fakes.calls import SCHEMA, a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.recorded import defined
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller
from fakes.writing import write

REFUND = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA})
ADA = a_principal("ada", "support", issuer="callgate", kind="api_key")
LEA = a_principal("lea", "leads", issuer="callgate", kind="api_key")
POLICIES = """
@id("support-refunds")
permit (
  principal in Callgate::Group::"support",
  action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main"
) when { context.input.amount <= 100 };

@id("leads-refund")
permit (
  principal in Callgate::Group::"leads",
  action == Callgate::Action::"shop___refund",
  resource == Callgate::Gateway::"main"
);
"""
CALLS: tuple[tuple[Principal, int], ...] = (
    (ADA, 10), (ADA, 60), (ADA, 500), (LEA, 500), (LEA, 900),
)  # fmt: skip


def entries_of(
    calls: Iterable[tuple[Principal, int]] = CALLS,
    policies: str = POLICIES,
    mode: str = "enforce",
    **more: Any,
) -> list[Entry]:
    """What calls with these amounts leave behind, one a minute."""
    store, clock = FakeCallStore(), FakeClock()
    engine = Engine(read_policies([("shop.cedar", policies)]), Names(), mode=mode)
    kept = [defined(engine)]
    for number, (principal, amount) in enumerate(calls):
        gateway = a_gateway(
            tools=(REFUND,),
            engine=engine,
            store=store,
            clock=clock,
            authenticator=FakeAuthenticator(anonymous=principal),
            **more,
        )
        arguments = {"customer": f"c{number % 2}", "amount": amount}
        call = a_call(
            id=f"c{number:028}", arguments=arguments, received_at=clock.now(), principal=None
        )
        asyncio.run(govern(call, gateway, FakeCaller()))
        clock.advance(60.0)
    return [*kept, *store.kept]


def a_history(path: Path, *calls: tuple[Principal, int], **more: Any) -> Path:
    """The same, in a SQLite file."""
    write(StoreSettings(path=path), *entries_of(calls or CALLS, **more))
    return path
