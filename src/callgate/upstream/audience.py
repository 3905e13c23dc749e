"""Who uses one pipe to a target: what each session wants to hear, and whom the target may ask."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from typing import Any

from callgate.model import NOTHING, Json, Offer
from callgate.ports import Caller, TargetRequest
from callgate.protocol.methods import LEVELS
from callgate.upstream.sharing import Full
from callgate.upstream.tasks import Tasks

MAX_ATTACHED = 1000  # sessions at one pipe
MAX_URIS = 1000  # subscriptions of one session
MAX_UNTOLD = 256  # notifications that wait for a slow reader; older ones give way


class Attached:
    """One session that uses a pipe, outside any call."""

    def __init__(self, key: str, tasks: Tasks) -> None:
        self.key = key
        self.offer: Offer = NOTHING
        self.beyond: Caller | None = None
        self.log_level: str | None = None
        self.uris: set[str] = set()
        self.changing = asyncio.Lock()  # one change of the subscriptions at a time
        self._tasks = tasks
        self._untold: deque[tuple[str, dict[str, Json]]] = deque(maxlen=MAX_UNTOLD)
        self._telling: asyncio.Task[Any] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing would be missed if it were forgotten."""
        return self.beyond is None and not self.uris

    def tell(self, method: str, params: dict[str, Json]) -> None:
        """Passes a notification on. Never waits: the pipe is everybody's."""
        if self.beyond is None:
            return
        self._untold.append((method, params))
        if self._telling is None or self._telling.done():
            self._telling = self._tasks.start(self._tell(), "telling a session")

    async def _tell(self) -> None:
        while self._untold and self.beyond is not None:
            await self.beyond.notify(*self._untold.popleft())

    def is_subscribed(self, uri: str) -> bool:
        """Whether it wants to hear of this resource, or of one that this is a part of."""
        return any(uri == one or _is_part(uri, one) for one in self.uris)


def _is_part(uri: str, whole: str) -> bool:
    """2025-11-25, notifications/resources/updated: `uri` may name a sub-resource."""
    return uri.startswith(whole) and (whole.endswith("/") or uri[len(whole)] in "/?#")


class Audience:
    """The sessions attached to one pipe, across its restarts."""

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._attached: OrderedDict[str, Attached] = OrderedDict()  # least recently used first

    def __iter__(self) -> Iterator[Attached]:
        return iter(tuple(self._attached.values()))

    def __len__(self) -> int:
        return len(self._attached)

    def attach(self, request: TargetRequest) -> Attached:
        """The session of this request, from now on one of those that use the pipe. Raises Full."""
        one = self._attached.get(request.session_key)
        if one is None:
            self._make_room()
            one = self._attached[request.session_key] = Attached(request.session_key, self._tasks)
        self._attached.move_to_end(one.key)
        one.offer = request.offer
        one.beyond = request.beyond or one.beyond
        one.log_level = request.log_level or one.log_level
        return one

    def _make_room(self) -> None:
        if len(self._attached) < MAX_ATTACHED:
            return
        idle = next((one for one in self._attached.values() if one.is_idle), None)
        if idle is None:
            raise Full(f"{MAX_ATTACHED} sessions share one way to the target")
        del self._attached[idle.key]

    def find(self, key: str) -> Attached | None:
        """The session of this key, if it is attached."""
        return self._attached.get(key)

    def detach(self, key: str) -> Attached | None:
        """Forgets a session; the one it was, if any. It is told nothing more."""
        one = self._attached.pop(key, None)
        if one is not None:
            one.beyond = None
        return one

    def only(self) -> Attached | None:
        """The one session that is attached; None where there are more, or none."""
        return next(iter(self._attached.values())) if len(self._attached) == 1 else None

    @property
    def uris(self) -> set[str]:
        """All that any session subscribed to."""
        return {uri for one in self._attached.values() for uri in one.uris}

    @property
    def log_level(self) -> str | None:
        """What the target is to send so that no session misses anything; None: as it likes.

        A session that asked for nothing gets what the target sends by itself, so that it must not
        send less because of the others.
        """
        asked = {one.log_level for one in self._attached.values()}
        if asked <= {None}:
            return None
        return LEVELS[0] if None in asked else next(one for one in LEVELS if one in asked)
