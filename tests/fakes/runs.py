"""A gateway of fakes that calls are made through, and the record that they leave."""

from __future__ import annotations

import asyncio
from typing import Any

from callgate.audit.record import Entry
from callgate.model import Reply
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from callgate.protocol.definitions import read_tool
from callgate.review.verdicts import ReviewVerdict, verdict_entry
from fakes.calls import SCHEMA, a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.recorded import FakeRecords, defined
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

REFUND = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA})
RULES = '@id("small") permit(principal, action, resource) when { context.input.amount <= 100 };'
FOUND = b'{"content":[{"type":"text","text":"the customer is ACME-77120 of Delft"}]}'
BEGIN = 1_790_000_000.0


async def answer(_request: TargetRequest, _caller: Caller) -> Reply:
    return Reply(body=FOUND)


class World:
    """A gateway that records, and the record it makes."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.count = 0
        self.gateway: Gateway = a_gateway(
            policies=RULES,
            tools=(REFUND,),
            authenticator=FakeAuthenticator(anonymous=a_principal("ada", "agents")),
            connector=FakeConnector(answer=answer),
            clock=self.clock,
        )

    def call(self, session: str, **arguments: Any) -> str:
        self.count += 1
        self.clock.advance(10)
        made = a_call(
            id=f"c{self.count:02}",
            arguments={"customer": "somebody", "amount": 5, **arguments},
            received_at=self.clock.now(),
            session_id=session,
        )
        asyncio.run(govern(made, self.gateway, FakeCaller()))
        return made.id

    def note(self, *entries: Any) -> None:
        assert isinstance(self.gateway.store, FakeCallStore)
        self.gateway.store.kept.extend(entries)

    def judge(self, said: ReviewVerdict) -> None:
        self.note(verdict_entry(said, self.clock.now()))

    @property
    def entries(self) -> list[Entry]:
        """Everything that is recorded, the policies first."""
        assert isinstance(self.gateway.store, FakeCallStore)
        return [defined(self.gateway.engine), *self.gateway.store.kept]

    @property
    def records(self) -> FakeRecords:
        return FakeRecords(self.entries)


def a_world() -> World:
    """25 calls in one run of ada, and then three in another: read, read, refused."""
    made = World()
    for _ in range(25):
        made.call("before")
    made.call("s1")
    made.call("s1", customer="ACME-77120")
    made.call("s1", amount=480)
    return made
