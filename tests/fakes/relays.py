"""Calls of one agent to several targets, one after the other, through one chain of interceptors."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from callgate.model import Json, Outcome, Principal, Reply, Tool
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from fakes.calls import a_call, a_tool
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeCatalog, FakeConnector

ANYTHING = {"type": "object"}


def says(*texts: str, **more: Any) -> dict[str, Json]:
    """A tool result of texts."""
    return {"content": [{"type": "text", "text": text} for text in texts], **more}


@dataclass
class Relay:
    """A gateway, and what its targets answer."""

    chain: tuple[Attachment, ...]
    tools: tuple[Tool, ...]
    answers: dict[str, Any] = field(default_factory=dict)  # tool → result, or an async function
    principals: Mapping[str, Principal] = field(default_factory=dict)  # token → who
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        targets = {tool.target for tool in self.tools}
        connectors = [FakeConnector(name, answer=self._answer) for name in sorted(targets)]
        catalog = FakeCatalog(self.tools, *connectors)
        more = dict(self.options)
        if self.principals:
            more["authenticator"] = FakeAuthenticator(principals=dict(self.principals))
        self.gateway: Gateway = a_gateway(chain=self.chain, catalog=catalog, **more)

    async def _answer(self, request: TargetRequest, caller: Caller) -> Reply:
        name = request.tool.qualified_name
        self.asked.append((name, msgspec.json.decode(request.arguments)))
        answer = self.answers.get(name, says("done"))
        if callable(answer):
            answer = await answer(request, caller)
        return answer if isinstance(answer, Reply) else Reply(body=msgspec.json.encode(answer))

    async def acall(
        self, name: str, arguments: dict[str, Json], caller: FakeCaller | None = None, **more: Any
    ) -> Outcome:
        """One call."""
        call = a_call(requested_name=name, arguments=arguments, **{"session_id": "s1", **more})
        return await govern(call, self.gateway, caller or FakeCaller())

    def call(self, name: str, arguments: dict[str, Json], **more: Any) -> Outcome:
        """One call, to its end."""
        return asyncio.run(self.acall(name, arguments, **more))

    @property
    def changes(self) -> list[dict[str, Any]]:
        """What the record of the last call says that interceptors did."""
        store = self.gateway.store
        assert isinstance(store, FakeCallStore)
        return list(msgspec.json.decode(store.entries[-1].body).get("changes", []))


def delivered(outcome: Outcome) -> Any:
    """The result, as the agent gets it."""
    assert outcome.call.reply is not None, (outcome.refusal_code, outcome.reason, outcome.detail)
    return msgspec.json.decode(outcome.call.reply.body)


def open_tool(target: str, name: str) -> Tool:
    """A tool that takes anything."""
    return a_tool(target, name, ANYTHING)
