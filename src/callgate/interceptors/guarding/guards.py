"""What every guard does: looks at the texts of its fields, and refuses or replaces them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from typing import TypeVar

from pydantic import Field as Setting

from callgate.interceptors.fields import (
    Field,
    Place,
    TooManyFieldsError,
    read_path,
    replaced,
    shown,
    texts,
)
from callgate.model import Json
from callgate.pipeline.threads import Job, Threads
from callgate.scrutiny import Decision, Message, Passive, Request, Result
from callgate.settings import Settings

T = TypeVar("T")
Changes = Mapping[Place, str]
MAX_THREADS = 4  # of one guard


class Objection(Exception):  # noqa: N818 - a finding about a text, not an error
    """A text that may not go on; the message completes `The field $.x …`."""


class GuardSettings(Settings):
    """Which fields a guard looks at."""

    fields: tuple[Field, ...] = Setting(min_length=1)
    """JSON paths of arguments, such as `$.query` or `$.files[*].path`; on results, of the result.
    What lists and objects under a field hold counts as the field."""


class Guard(Passive):
    """Refuses a call, or withholds a result, with a text that its `look` objects to."""

    inline_characters = 2_000
    """More than that in one call is looked at in a thread: nobody else waits for it."""

    most_characters = 1_000_000
    """More than that in one call is refused: about a second of work, which cannot be stopped."""

    def __init__(self, settings: GuardSettings) -> None:
        self._paths = tuple(read_path(field) for field in settings.fields)
        self._threads = Threads(MAX_THREADS, "callgate-guard")

    def look(self, text: str) -> str:
        """The text as it may go on. Raises Objection."""
        raise NotImplementedError

    async def look_at_all(self, found: Mapping[Place, str]) -> Changes:
        """What to put in the place of texts. Raises Refusal, which names the place."""
        return await self.in_time(found, lambda: self._looked(found))

    async def in_time(self, found: Mapping[Place, str], work: Callable[[], T]) -> T:
        """What comes of reading the texts: at once, or in a thread where they are long."""
        if sum(map(len, found.values())) <= self.inline_characters:
            return work()
        return await self._threads.run(Job(work))

    def _looked(self, found: Mapping[Place, str]) -> Changes:
        changes = {}
        for place, text in found.items():
            with Naming(place):
                seen = self.look(text)
            if seen != text:
                changes[place] = seen
        return changes

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._decide(
            request.arguments,
            lambda sentence: Decision(refuse=sentence),
            lambda changed, note: Decision(arguments=changed, note=note),
        )

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._decide(
            result.result,
            lambda sentence: Decision(withhold=sentence),
            lambda changed, note: Decision(result=changed, note=note),
        )

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        return await self._decide(
            message.params,
            lambda sentence: Decision(withhold=sentence),
            lambda changed, note: Decision(params=changed, note=note),
        )

    async def _decide(
        self,
        value: Json,
        refuse: Callable[[str], Decision],
        change: Callable[[Json, str], Decision],
    ) -> Decision | None:
        try:
            found = texts(self._paths, value)
            if sum(map(len, found.values())) > self.most_characters:
                return refuse(
                    f"This call holds more than {self.most_characters} characters to look at."
                )
            changes = await self.look_at_all(found) if found else {}
        except Refusal as refusal:
            return refuse(str(refusal))
        except TooManyFieldsError as error:
            return refuse(f"This call {error}.")
        if not changes:
            return None
        places = ", ".join(shown(place) for place in islice(changes, 5))
        return change(replaced(value, changes), f"made plain: {places}")

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.close()


class Refusal(Exception):  # noqa: N818 - a decision
    """A whole sentence for the agent."""


class Naming:
    """Turns an objection into a refusal that says which field it is about."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __enter__(self) -> None:
        """Nothing to do before."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raises Refusal where an objection was raised."""
        if isinstance(error, Objection):
            raise Refusal(f"The field {shown(self._place)} {error}.") from None
