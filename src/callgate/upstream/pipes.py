"""All pipes to one target, one per scope and offer, and the requests that go over them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TypeVar

import msgspec

from callgate.model import NOTHING, Era, Features, Json, Offer, Reply, Value
from callgate.ports import Caller, Listing, TargetError, TargetRequest
from callgate.protocol.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND
from callgate.protocol.methods import LEVELS
from callgate.protocol.outbound import ROOTS_CHANGED, cut_reply, read_result
from callgate.upstream.audience import Attached, Audience
from callgate.upstream.duplex import Asked, Duplex, Terms
from callgate.upstream.faults import Faults, Lost, Patience, within
from callgate.upstream.keeper import HEALTHY_SECONDS, Keeper
from callgate.upstream.session import WORDS, Changes, Notes, Standing, failure, list_pages
from callgate.upstream.sharing import Full, Shared
from callgate.upstream.subscribing import DONE, SUBSCRIBE, UNSUBSCRIBE, Subscriptions
from callgate.upstream.tasks import Tasks

T = TypeVar("T")
SET_LEVEL = "logging/setLevel"
ATTEMPTS = 2  # a pipe may break before anything of the request was sent: another one is tried
EVERYBODY = ""  # the scope of what all callers share, and of listing


class PipeRules(Value):
    """How many pipes there may be, and what holds for all of them."""

    most: int
    timeout_seconds: float  # for what is asked in nobody's name
    hint: Era | None = None  # the era, where it is known beforehand
    healthy_seconds: float = HEALTHY_SECONDS  # after which a break is no sign of a fault
    is_single: bool = False  # there is one client: its pipe is used for listing too


class Key(str):
    """What one pipe is kept under, with what it is to be made of."""

    scope: str
    offer: Offer
    is_eager: bool

    @classmethod
    def of(cls, scope: str, offer: Offer, *, is_eager: bool = False) -> Key:
        """The key of the pipe for one scope and offer."""
        key = cls(f"{offer.digest}\x1e{scope}")
        key.scope, key.offer, key.is_eager = scope, offer, is_eager
        return key


Launch = Callable[["Pipe", Era | None], Awaitable[Duplex]]


class Pipe:
    """The way to the target for one scope and offer, across restarts."""

    def __init__(self, key: Key, keep: Callable[[Pipe], Keeper[Duplex]]) -> None:
        self.key = key
        self.used_at = 0.0
        self.tasks = Tasks()
        self.audience = Audience(self.tasks)
        self.subscriptions = Subscriptions(self.audience)
        self._requests = 0
        self.keeper = keep(self)

    @property
    def is_wanted(self) -> bool:
        """Whether it is opened again at once when it breaks."""
        return self.key.is_eager or bool(self.audience.uris)

    @contextmanager
    def used(self) -> Iterator[None]:
        """While a request uses it."""
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    @property
    def calls(self) -> int:
        """What keeps it from being idle: requests, subscriptions, that it serves all."""
        return self.key.is_eager + self._requests + len(self.audience.uris)

    async def close(self) -> None:
        """Ends it with all that is under way on it."""
        try:
            await self.keeper.close()
        finally:
            await self.tasks.close()


class Pipes:
    """Implements what a connector does, for targets that are spoken to over pipes.

    INVARIANT: a legacy pipe declared the offer of every client that uses it, no more and no less. A
    modern one is told the offer with every request, so that one serves all offers of its scope.
    """

    def __init__(
        self, name: str, launch: Launch, ticks: Callable[[], float], rules: PipeRules
    ) -> None:
        self.changes = Changes()
        self.standing = Standing()
        self._name = name
        self._launch = launch
        self._ticks = ticks
        self._rules = rules
        self._faults = Faults(name)
        self._ids = count(1)
        self._tasks = Tasks()
        self._shared = Shared(self._make, self._end, ticks, most=rules.most)
        self._kept: dict[str, Pipe] = {}
        self._leads: dict[str, Key] = {}  # of the first pipe of each scope

    def next_id(self) -> int:
        """A JSON-RPC id, and progress token, that no other request to this target has."""
        return next(self._ids)

    def peek(self) -> Pipe | None:
        """A pipe that tells how the target stands: the one that serves all, or else any."""
        lead = self._leads.get(EVERYBODY)
        return (self._kept.get(lead) if lead is not None else None) or next(
            iter(self._kept.values()), None
        )

    async def begin(self) -> None:
        """Opens the pipe that serves all, and keeps it open."""
        await self._get(Key.of(EVERYBODY, NOTHING, is_eager=True))

    async def features(self, offer: Offer) -> Features:
        """What the target can do for a client with this offer. Raises TargetError."""

        async def ask() -> Features:
            features = (await (await self._pipe(EVERYBODY, offer)).keeper.link()).features
            assert features is not None  # noqa: S101 - opened before it is handed out
            return features

        return await self._within(
            Patience(self._rules.timeout_seconds), Asked(self.next_id()), ask()
        )

    async def list_tools(self, offer: Offer) -> Listing:
        """All pages, as a client with this offer sees them. Raises TargetError."""

        async def ask(cursor: str | None) -> dict[str, Json]:
            pipe = await self._pipe(EVERYBODY, offer)
            with pipe.used():
                link = await pipe.keeper.link()
                asked = Asked(self.next_id())
                body = WORDS.list(asked.request_id, link.era or Era.LEGACY, cursor, offer)
                return read_result(await link.ask(asked, body))

        patience = Patience(self._rules.timeout_seconds)
        listing = await self._within(patience, Asked(self.next_id()), list_pages(ask))
        self.standing.tools = len(listing.tools)
        return listing

    async def call(self, request: TargetRequest, caller: Caller, scope: str) -> Reply:
        """Makes one request. Raises TargetError. Cancelled: the target is told to stop."""
        request_id = self.next_id()
        notes = Notes(request, caller, request_id if request.wants_progress else None)
        patience = Patience(request.timeout_seconds)
        asked = Asked(request_id, notes, patience)
        return await self._within(patience, asked, self._call(asked, request, scope))

    async def _call(self, asked: Asked, request: TargetRequest, scope: str) -> Reply:
        for attempt in range(ATTEMPTS):
            try:
                return await self._call_once(asked, request, scope)
            except Lost:
                # What was not sent is sent again, once: a session that was lost comes back unseen.
                if asked.is_sent or attempt == ATTEMPTS - 1:
                    raise
                asked.begin_again()
        raise AssertionError

    async def _call_once(self, asked: Asked, request: TargetRequest, scope: str) -> Reply:
        pipe = await self._pipe(scope, request.offer)
        with pipe.used():
            attached = pipe.audience.attach(request)  # at once: it may be asked while it opens
            link = await pipe.keeper.link()
            if not (
                link.serves(request.offer) or self._rules.is_single
            ):  # it was started again as something else
                raise Lost("it speaks another era than before")
            method = request.tool.method
            if method != SET_LEVEL:
                await link.tell_level()
            if method in (SUBSCRIBE, UNSUBSCRIBE):
                uri = _params(request).get("uri")
                return await pipe.subscriptions.change(link, asked, attached, method, uri)
            if method == SET_LEVEL:
                return await self._set_level(link, attached, request)
            token = asked.request_id if request.wants_progress else None
            era = link.era or Era.LEGACY
            meta = WORDS.meta(era, request.meta, token, request.offer, request.log_level)
            body = WORDS.request(asked.request_id, method, request.params, meta)
            return cut_reply(await link.ask(asked, body))

    async def _set_level(self, link: Duplex, attached: Attached, request: TargetRequest) -> Reply:
        """Takes a level for the session; a legacy target is told, a modern one with each call."""
        level = _params(request).get("level")
        if level not in LEVELS:
            return failure(INVALID_PARAMS, "`level` must be one of " + ", ".join(LEVELS) + ".")
        if link.features is None or not link.features.has("logging"):
            return failure(METHOD_NOT_FOUND, "The target keeps no log.")
        attached.log_level = level
        await link.tell_level()
        return DONE

    async def _pipe(self, scope: str, offer: Offer) -> Pipe:
        """The pipe for this scope that may serve this offer. Raises as a keeper and Shared do."""
        key = Key.of(scope, offer)
        lead_key = self._leads.get(scope, key)
        lead = await self._get(lead_key)
        if lead_key == key:
            return lead
        if self._rules.is_single and await self._gives_way(lead, offer):
            return await self._get(key)
        if self._rules.is_single and offer.is_empty:
            return lead
        if lead.keeper.hint is None:
            await lead.keeper.link()
        return lead if lead.keeper.hint is Era.MODERN else await self._get(key)

    async def _gives_way(self, lead: Pipe, offer: Offer) -> bool:
        """Ends a legacy pipe that was only listed over, for the client that comes now."""
        if offer.is_empty or lead.calls or len(lead.audience) or lead.keeper.hint is Era.MODERN:
            return False
        self._shared.drop(lead.key, lead)
        await self._end(lead)
        return True

    async def _get(self, key: Key) -> Pipe:
        self._leads.setdefault(key.scope, key)
        try:
            return await self._shared.get(key)
        except Full:
            if self._leads.get(key.scope) == key and key not in self._kept:
                del self._leads[key.scope]
            raise

    async def _make(self, key: str) -> Pipe:
        assert isinstance(key, Key)  # noqa: S101 - what `_get` gave
        pipe = self._kept[key] = Pipe(key, self._keep)
        return pipe

    def _keep(self, pipe: Pipe) -> Keeper[Duplex]:
        return Keeper(
            self._name,
            lambda hint: self._launch(pipe, hint),
            self._ticks,
            is_eager=lambda: pipe.is_wanted,
            hint=self._rules.hint or self._known_era(),
            healthy_seconds=self._rules.healthy_seconds,
        )

    def _known_era(self) -> Era | None:
        """Legacy where another pipe found that: the target is spared the modern question."""
        eras = {pipe.keeper.hint for pipe in self._kept.values()}
        return Era.LEGACY if Era.LEGACY in eras else None

    async def _end(self, pipe: Pipe) -> None:
        if self._kept.get(pipe.key) is pipe:
            del self._kept[pipe.key]
            if self._leads.get(pipe.key.scope) == pipe.key:
                del self._leads[pipe.key.scope]
        await pipe.close()

    def terms(self, pipe: Pipe) -> Terms:
        """What a pipe is opened with."""
        return Terms(pipe.audience, self.changes, self.next_id, pipe.key.offer)

    async def release(self, session_key: str, own_scope: str | None) -> None:
        """Ends what is kept for a session, and the pipes of a scope that is its own."""
        for key, pipe in tuple(self._kept.items()):
            attached = pipe.audience.detach(session_key)
            link = pipe.keeper.current
            if attached is not None and link is not None:
                link.leave(session_key)
                pipe.subscriptions.forget(link, session_key, attached.uris)
            if pipe.key.scope == own_scope:
                self._shared.drop(key, pipe)
                self._tasks.start(self._end(pipe), "ending a session's pipe")

    def roots_changed(self, session_key: str) -> None:
        """Tells the legacy targets that may ask this session for its roots."""
        for pipe in self._kept.values():
            link = pipe.keeper.current
            may_ask = "roots" in pipe.key.offer.capabilities
            is_used = may_ask and pipe.audience.find(session_key) is not None
            if is_used and link is not None and link.era is Era.LEGACY:
                link.say(ROOTS_CHANGED)

    async def close(self) -> None:
        """Ends all pipes. Calls still in flight are lost."""
        try:
            await self._shared.close()
        finally:
            await self._tasks.close()

    async def _within(self, patience: Patience, asked: Asked, work: Awaitable[T]) -> T:
        try:
            result = await within(patience, self._faults, asked, work)
        except TargetError as error:
            self.standing.fails(error)
            raise
        self.standing.works()
        return result


def _params(request: TargetRequest) -> dict[str, Json]:
    params: dict[str, Json] = msgspec.json.decode(request.params, type=dict[str, Json])
    return params
