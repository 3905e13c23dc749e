"""Fake ports for the call path: a target, a catalogue, a caller, an authenticator."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import jsonschema_rs

from callgate.model import NOTHING, Features, Json, Offer, Principal, Proof, Refused, Reply, Tool
from callgate.ports import (
    Caller,
    Connector,
    Listing,
    TargetError,
    TargetRequest,
    TargetStatus,
    Unanswerable,
)

OK = b'{"content":[{"type":"text","text":"done"}]}'


@dataclass
class FakeConnector:
    """A target that remembers what it was asked and answers what a test wants."""

    name: str = "shop"
    answer: Callable[[TargetRequest, Caller], Awaitable[Reply]] | None = None
    error: TargetError | None = None
    asked: list[TargetRequest] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    rerooted: list[str] = field(default_factory=list)
    is_ready: bool = True
    said: Features = field(default_factory=Features)
    listeners: list[Callable[[str], None]] = field(default_factory=list)

    @property
    def status(self) -> TargetStatus:
        return TargetStatus(name=self.name, kind="fake", is_ready=self.is_ready, detail="down")

    async def start(self) -> None: ...

    async def features(self, offer: Offer = NOTHING) -> Features:
        if self.error is not None:
            raise self.error
        return self.said

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        return Listing(tools=())

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        return await self.answer(request, caller) if self.answer else Reply(body=OK)

    async def release(self, session_key: str) -> None:
        self.released.append(session_key)

    async def roots_changed(self, session_key: str) -> None:
        self.rerooted.append(session_key)

    def on_change(self, callback: Callable[[str], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    async def close(self) -> None: ...


class FakeCatalog:
    """A fixed set of tools, validated for real."""

    def __init__(self, tools: Sequence[Tool], *connectors: FakeConnector) -> None:
        self._tools = {(tool.target, tool.name): tool for tool in tools}
        targets = {tool.target: None for tool in tools}
        self._connectors = {target: FakeConnector(target) for target in targets}
        self._connectors.update({connector.name: connector for connector in connectors})
        self.subscribers: list[Callable[[str, str], None]] = []

    @property
    def version(self) -> str:
        return "1"

    def find(self, target: str, name: str, offer: Offer = NOTHING) -> Tool | None:
        return self._tools.get((target, name))

    def tools(self, target: str | None = None, offer: Offer = NOTHING) -> Sequence[Tool]:
        return [tool for tool in self._tools.values() if target in (None, tool.target)]

    def targets(self) -> Sequence[str]:
        return tuple(self._connectors)

    def has_target(self, target: str) -> bool:
        return target in self._connectors

    async def ensure(self, target: str | None = None, offer: Offer = NOTHING) -> None: ...

    def subscribe(self, callback: Callable[[str, str], None]) -> Callable[[], None]:
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def validate(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        validator = jsonschema_rs.validator_for(tool.input_schema)
        error = next(iter(validator.iter_errors(arguments)), None)
        return None if error is None else f"/{'/'.join(map(str, error.instance_path))} does not fit"

    def connector(self, target: str) -> Connector:
        return self._connectors[target]


@dataclass
class FakeCaller:
    """An agent that remembers what it was told meanwhile, and answers what a test wants."""

    is_gone: bool = False
    told: list[tuple[str, dict[str, Json]]] = field(default_factory=list)
    asked: list[tuple[str, dict[str, Json]]] = field(default_factory=list)
    answers: list[Reply | Exception] = field(default_factory=list)

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        self.asked.append((method, params))
        if not self.answers:
            raise Unanswerable("Nobody can be asked.")
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeAuthenticator:
    """Knows principals by their bearer token."""

    principals: dict[str, Principal] = field(default_factory=dict)
    anonymous: Principal | None = None

    async def authenticate(self, proof: Proof) -> Principal | None:
        if proof.authorization is None:
            return self.anonymous
        token = proof.authorization.removeprefix("Bearer ")
        if token not in self.principals:
            raise Refused("unauthenticated", "The token is not known.")
        return self.principals[token]


async def never() -> Reply:
    """An answer that does not come."""
    await asyncio.Event().wait()
    raise AssertionError
