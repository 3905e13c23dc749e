"""One message from an agent with all that is known about it, and the desk where it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from callgate.deadlines import Deadlines
from callgate.downstream.parking import Parking
from callgate.downstream.sessions import Session, Sessions
from callgate.model import Call, Client, Era, FollowUp, Json, Principal, Proof, Tool
from callgate.pipeline.asking import Outside
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.locating import Route
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller
from callgate.protocol.jsonrpc import Message
from callgate.protocol.mcp import Envelope
from callgate.protocol.outbound import CHANGES

MOST_KEYS = 10_000  # of modern clients; what is kept for more of them ends by itself, later
LIST_CHANGED = {what: method for method, what in CHANGES.items()}


class Answer(msgspec.Struct, frozen=True):
    """What goes back for one message: no body means it was only taken note of."""

    status: int = 200
    body: bytes | None = None
    headers: tuple[tuple[str, str], ...] = ()


class Inbound(msgspec.Struct, eq=False):
    """One message from an agent, read, with who sent it and over what."""

    message: Message
    envelope: Envelope
    era: Era
    route: str | None
    proof: Proof
    principal: Principal
    caller: Caller
    session: Session | None = None
    headers: Mapping[str, list[str]] | None = None  # None: not over HTTP
    _client: Client | None = None

    @property
    def client(self) -> Client:
        """Who speaks for the agent. A legacy session is one client; the modern era has none, so
        that requests that say the same of themselves share what targets keep.
        """
        if self._client is None:
            self._client = self._told()
        return self._client

    def _told(self) -> Client:
        envelope, session = self.envelope, self.session
        if session is not None:
            return Client(
                key=session.key,
                info=session.client,
                capabilities=session.capabilities,
                log_level=session.log_level,
            )
        return Client(
            key=f"m:{self.principal.key}:{envelope.log_level or ''}",
            info=envelope.client,
            capabilities=envelope.capabilities,
            log_level=envelope.log_level,
        )


class OnItsWay:
    """One call while it is on its way. A class, because a generator costs a call thrice as much."""

    __slots__ = ("_active", "_flight", "_inbound", "_task")

    def __init__(self, active: set[asyncio.Task[object]], inbound: Inbound) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - we are in a coroutine
        self._active = active
        self._inbound = inbound
        self._task = task

    def __enter__(self) -> None:
        self._active.add(self._task)
        session = self._inbound.session
        if session is not None:
            self._flight = session.in_flight.begin(self._inbound.message.id, self._task)

    def __exit__(self, *_: object) -> None:
        self._active.discard(self._task)
        session = self._inbound.session
        if session is not None:
            session.in_flight.end(self._flight)


class Listening(Protocol):
    """Somebody who wants to know what changes, for longer than a call."""

    def changed(self, target: str, what: str) -> None:
        """A target's `tools`, `resources` or `prompts` changed."""

    def end(self) -> None:
        """It is time to say goodbye: the gateway stops, or a target makes way for another."""

    def follows(self, target: str) -> bool:
        """Whether it is told about this target."""


@dataclass(slots=True)
class Desk:
    """What answering needs: the current gateway, the sessions, the calls on their way."""

    current: Callable[[], Gateway]
    sessions: Sessions
    version: str
    is_stopping: bool = False
    active: set[asyncio.Task[object]] = field(default_factory=set)
    parking: Parking = field(default_factory=Parking)
    listeners: set[Listening] = field(default_factory=set)
    deadlines: Deadlines = field(default_factory=Deadlines)
    _outsides: dict[str, Outside] = field(default_factory=dict)
    _used_at: dict[str, float] = field(default_factory=dict)  # keys of modern clients, see `use`

    def route(self, inbound: Inbound) -> Route:
        """The endpoint that a message came in on."""
        return Route(target=inbound.route, targets=self.current().catalog.targets())

    def call(
        self,
        inbound: Inbound,
        gateway: Gateway,
        name: str,
        arguments: dict[str, Json],
        follow_up: FollowUp | None = None,
        tool: Tool | None = None,
    ) -> Call:
        """The call that a request asks for; of a tool that was found already, if it was."""
        envelope = inbound.envelope
        return Call(
            id=gateway.new_call_id(),
            received_at=gateway.clock.now(),
            era=inbound.era,
            protocol_version=envelope.version,
            proof=inbound.proof,
            requested_name=name,
            method=inbound.message.method or "",
            route=inbound.route,
            session_id=inbound.session.id if inbound.session else None,
            arguments=arguments,
            follow_up=follow_up,
            meta=envelope.meta,
            progress_token=envelope.progress_token,
            client=inbound.client,
            principal=inbound.principal,
            tool=tool,
            headers=gateway.chain.seen(inbound.headers) if inbound.headers is not None else {},
        )

    def on_its_way(self, inbound: Inbound) -> OnItsWay:
        """Keeps the current task among those that a stop waits for and its caller may cancel."""
        return OnItsWay(self.active, inbound)

    def outside(self, inbound: Inbound) -> Outside | None:
        """The agent outside of any call; None in the modern era, which has no such thing."""
        session = inbound.session
        if session is None:
            return None
        known = self._outsides.get(session.key)
        if known is None:
            gateway = self.current()
            call = Call(
                id="",
                received_at=gateway.clock.now(),
                era=inbound.era,
                protocol_version=session.version,
                proof=inbound.proof,
                requested_name="",
                route=inbound.route,
                session_id=session.id,
                client=inbound.client,
                principal=inbound.principal,
            )
            known = self._outsides[session.key] = Outside(
                session.beyond, call, self.current, govern
            )
        return known

    def note_used(self, client: Client, now: float) -> None:
        """A modern client has no session that ends: what targets keep for it ends when it is idle.

        Only one that can be asked is kept apart from others, so that only it is noted.
        """
        if client.capabilities and (client.key in self._used_at or len(self._used_at) < MOST_KEYS):
            self._used_at[client.key] = now

    def idle_keys(self, before: float) -> list[str]:
        """Keys of modern clients that nobody used since then; they are forgotten."""
        idle = [key for key, used_at in self._used_at.items() if used_at < before]
        for key in idle:
            del self._used_at[key]
        return idle

    def forget(self, session: Session) -> None:
        """A session has ended: it is told nothing more."""
        self._outsides.pop(session.key, None)

    async def announce(self, target: str, what: str) -> None:
        """Tells everybody who may care that a target's `tools`, `resources` or `prompts` changed.

        A slow session delays nobody else.
        """
        for listener in tuple(self.listeners):
            listener.changed(target, what)
        told = [one for one in self._outsides.values() if one.route in (None, target)]
        await asyncio.gather(*(one.notify(target, LIST_CHANGED[what], {}) for one in told))

    def end_listening(self, targets: Iterable[str]) -> None:
        """Ends what listens to targets that are no more: who listened asks again."""
        gone = tuple(targets)
        for listener in tuple(self.listeners):
            if any(listener.follows(target) for target in gone):
                listener.end()

    def tell_roots(self, session_key: str) -> None:
        """Has targets ask again for the roots of a session, where they may."""
        catalog = self.current().catalog
        for target in catalog.targets():
            task = asyncio.get_running_loop().create_task(
                catalog.connector(target).roots_changed(session_key)
            )
            self.active.add(task)  # held until done
            task.add_done_callback(self.active.discard)

    async def drain(self, seconds: float) -> None:
        """Refuses new calls, waits for those in flight, then cancels what is left."""
        self.is_stopping = True
        self.parking.stop()
        for listener in tuple(self.listeners):
            listener.end()
        active = set(self.active)
        if active:
            _, late = await asyncio.wait(active, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=5)
