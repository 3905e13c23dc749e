"""What every guard does: looks at the texts of its fields, and refuses or replaces them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from itertools import islice

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
from callgate.scrutiny import Decision, Message, Passive, Request, Result
from callgate.settings import Settings

Changes = Mapping[Place, str]


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

    def __init__(self, settings: GuardSettings) -> None:
        self._paths = tuple(read_path(field) for field in settings.fields)

    def look(self, text: str) -> str:
        """The text as it may go on. Raises Objection."""
        raise NotImplementedError

    async def look_at_all(self, found: Mapping[Place, str]) -> Changes:
        """What to put in the place of texts. Raises Refusal, which names the place."""
        if sum(map(len, found.values())) <= self.inline_characters:
            return self._looked(found)
        return await asyncio.to_thread(self._looked, found)

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
            changes = await self.look_at_all(found) if found else {}
        except Refusal as refusal:
            return refuse(str(refusal))
        except TooManyFieldsError as error:
            return refuse(f"This call {error}.")
        if not changes:
            return None
        places = ", ".join(shown(place) for place in islice(changes, 5))
        return change(replaced(value, changes), f"made plain: {places}")


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
