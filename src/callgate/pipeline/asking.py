"""The agent as its targets may see it: nothing they say or ask reaches it ungoverned."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from callgate.model import Call, Change, Era, Json, Outcome, Ran, Refused, Reply
from callgate.pipeline.attaching import MESSAGE
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.interception import ask_about_message
from callgate.ports import Caller, Pausing
from callgate.protocol.eras import META_PREFIX
from callgate.protocol.methods import LEVELS
from callgate.protocol.naming import shown_uri
from callgate.protocol.outbound import ELICITED, LOGGED, PROGRESS, UPDATED

MAX_NOTED = 200  # changes of one call: a target may send messages without end

Govern = Callable[[Call, Gateway, Caller], Awaitable[Outcome]]


class Asking:
    """Implements Caller towards the target of one call, or of one session outside any call."""

    __slots__ = ("_call", "_caller", "_gateway", "_govern", "beyond")

    def __init__(
        self,
        caller: Caller,
        call: Call,
        gateway: Gateway,
        govern: Govern,
        beyond: Outside | None = None,
    ) -> None:
        self.beyond = beyond
        self._caller = caller
        self._call = call
        self._gateway = gateway
        self._govern = govern

    def during(self, call: Call) -> Asking:
        """Itself, for the call as it stands now, with its target."""
        self._call = call
        return self

    @property
    def is_gone(self) -> bool:
        """Whether the agent hung up."""
        return self._caller.is_gone

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Progress where the agent asked for it, log messages as severe as it wants them."""
        if method == PROGRESS and self._call.progress_token is None:
            return
        if method == LOGGED and not wants(self._call, params):
            return
        if method == ELICITED and self._call.era is Era.MODERN:
            return  # it does not exist there: the client repeats its call when it is ready
        shown = await self._scrutinised(method, params)
        if shown is not None:
            await self._caller.notify(method, shown)

    async def _scrutinised(self, method: str, params: dict[str, Json]) -> dict[str, Json] | None:
        """The message as the interceptors leave it; None where one drops it."""
        tool, chain = self._call.tool, self._gateway.chain
        if tool is None:
            return params
        shown: dict[str, Json] | None = params
        for attachment in chain.select(MESSAGE, tool):
            if shown is None or not attachment.is_asked_about(self._call):
                continue
            before = self._call
            told, shown = await ask_about_message(
                before, attachment, method, shown, self._gateway.clock
            )
            self._note(told.changes[len(before.changes) :], told.labels)
        return shown

    def _note(self, changes: tuple[Change, ...], labels: tuple[str, ...]) -> None:
        room = MAX_NOTED - len(self._call.changes)
        self._call = replace(
            self._call,
            changes=(*self._call.changes, *changes[: max(room, 0)]),
            labels=tuple(dict.fromkeys((*self._call.labels, *labels))),
        )

    def noted(self, call: Call) -> Call:
        """The call with what interceptors did to messages while it was on its way."""
        mine = self._call
        if mine.changes is call.changes and mine.labels is call.labels:
            return call
        return replace(call, changes=mine.changes, labels=mine.labels)

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Asks the agent's client what policy lets the target ask. Raises Refused."""
        outcome = await self.ask_of(self._caller, method, params)
        reply = outcome.call.reply
        assert reply is not None  # noqa: S101 - a call that is not refused has its reply
        return reply

    def pause(self, seconds: float) -> None:
        """Lets the agent rest as the target does, where it can."""
        caller: object = self._caller
        if isinstance(caller, Pausing):
            caller.pause(seconds)

    async def ask_of(self, caller: Caller, method: str, params: dict[str, Json]) -> Outcome:
        """The same, of whoever stands in for the client. Raises Refused."""
        call = asked(self._call, self._gateway, method, params)
        outcome = await self._govern(call, self._gateway, caller)
        if outcome.refusal_code is not None:
            raise Refused(outcome.refusal_code, outcome.reason, detail=outcome.detail)
        return outcome


def asked(call: Call, gateway: Gateway, method: str, params: dict[str, Json]) -> Call:
    """The call that a target's request is, raised in another call or in a session."""
    meta = params.get("_meta")
    onward = meta if isinstance(meta, dict) else {}
    return replace(
        call,
        id=gateway.new_call_id(),
        received_at=gateway.clock.now(),
        method=method,
        requested_name=method,
        route=call.tool.target if call.tool is not None else call.route,
        arguments={key: value for key, value in params.items() if key != "_meta"},
        follow_up=None,
        asked_in=call.id or None,
        meta={key: value for key, value in onward.items() if not key.startswith(META_PREFIX)},
        progress_token=None,
        tool=None,
        enriched={},
        changes=(),
        labels=(),
        onward={},
        account=None,
        decided_at=None,
        sent_traceparent="",  # what a target says of traces joins no calls of the agent's
        sealed=None,
        sealed_digest=None,
        verdict=None,
        is_answered=False,
        reply=None,
        ran=Ran.NO,
    )


def wants(call: Call, params: dict[str, Json]) -> bool:
    """Whether the client wants a log message of this severity.

    A modern client that named no level gets none (2026-07-28, "Logging"); a legacy one that set
    none gets what the target chooses to send.
    """
    least, level = call.client.log_level, params.get("level")
    if least is None:
        return call.era is Era.LEGACY
    if least not in LEVELS or level not in LEVELS:
        return True
    return LEVELS.index(level) >= LEVELS.index(least)


class Outside:
    """What targets may say and ask in one session outside any call, by the policy in force now."""

    def __init__(
        self, caller: Caller, call: Call, current: Callable[[], Gateway], govern: Govern
    ) -> None:
        self._caller = caller
        self._call = call  # whose session it is; it stands for no call: its id is empty
        self._current = current
        self._govern = govern
        self._at: dict[str, _At] = {}

    @property
    def route(self) -> str | None:
        """The endpoint that the session was opened at."""
        return self._call.route

    def set_level(self, level: str) -> None:
        """The least severe log messages that the client wants from now on."""
        client = replace(self._call.client, log_level=level)
        self._call = replace(self._call, client=client)

    def at(self, target: str) -> Caller:
        """The session as one target may see it."""
        known = self._at.get(target)
        if known is None:
            known = self._at[target] = _At(self, target)
        return known

    async def notify(self, target: str, method: str, params: dict[str, Json]) -> None:
        """Passes on what is said, with the names of the session's route."""
        if method == LOGGED and not wants(self._call, params):
            return
        if method == UPDATED and self._call.route is None and isinstance(params.get("uri"), str):
            params = {**params, "uri": shown_uri(target, params["uri"])}
        await self._caller.notify(method, params)

    async def ask(self, target: str, method: str, params: dict[str, Json]) -> Reply:
        """Asks the client. Raises Refused."""
        call = replace(self._call, route=target)
        return await Asking(self._caller, call, self._current(), self._govern).ask(method, params)

    @property
    def is_gone(self) -> bool:
        """Whether the session has ended."""
        return self._caller.is_gone


class _At:
    """Implements Caller for one target."""

    def __init__(self, outside: Outside, target: str) -> None:
        self._outside = outside
        self._target = target

    @property
    def is_gone(self) -> bool:
        return self._outside.is_gone

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        await self._outside.notify(self._target, method, params)

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        return await self._outside.ask(self._target, method, params)


class Deferred:
    """Implements Caller where the answer comes later, with the client's repeated call."""

    is_gone = False

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Nothing is said meanwhile."""

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """The request may go out; that is all that can be said now."""
        return Reply(body=b"{}")
