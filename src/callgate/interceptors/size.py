"""Bounds on arguments and results: too much is refused, or cut with a notice that says so."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, Literal, Self

import msgspec
from pydantic import Field as Setting
from pydantic import model_validator

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.fields import Field, FieldPath, Place, read_path, shown
from callgate.interceptors.sizing import cut
from callgate.model import Json
from callgate.pipeline.threads import Job, Threads
from callgate.scrutiny import Decision, Message, Passive, Request, Result
from callgate.settings import Settings

MIN_RESULT_BYTES = 1_000  # room for the notice
MAX_THREADS = 4  # busy at once; more wait
INLINE_BYTES = 200_000  # more is cut in a thread: a megabyte of escapes takes 13 ms

_encode = msgspec.json.Encoder().encode


class FieldBounds(Settings):
    """The most that one field may hold."""

    max_characters: int | None = Setting(default=None, ge=0)
    """Of a text."""

    max_items: int | None = Setting(default=None, ge=0)
    """Of a list or an object."""

    max_bytes: int | None = Setting(default=None, ge=0)
    """Of the whole field as JSON."""


class SizeSettings(Settings):
    """How much may go in and come back."""

    max_argument_bytes: int | None = Setting(default=None, ge=2)
    """Of all arguments as JSON."""

    max_depth: int | None = Setting(default=None, ge=1)
    """How deep lists and objects in arguments may be nested; the arguments themselves count."""

    max_items: int | None = Setting(default=None, ge=1)
    """The most in any list or object of the arguments."""

    max_characters: int | None = Setting(default=None, ge=1)
    """The longest text in the arguments, also as a key."""

    fields: dict[Field, FieldBounds] = {}
    """Bounds of single fields of the arguments, by JSON path."""

    max_result_bytes: int | None = Setting(default=None, ge=MIN_RESULT_BYTES)
    """Of a whole result as JSON; of a message in the middle of a call, too."""

    on_large_result: Literal["truncate", "withhold"] = "truncate"
    """`truncate`: texts are cut and what cannot be cut is left out, with a notice that says how
    much. `withhold`: the result is kept back."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        bounds = self.model_dump(exclude={"on_large_result"}, exclude_defaults=True)
        if not bounds:
            raise ValueError("name at least one bound, such as `max_result_bytes`")
        return self


class Size(Passive):
    """Refuses arguments that are too large; cuts or withholds such results. Keeps no state."""

    def __init__(self, settings: SizeSettings) -> None:
        self._settings = settings
        self._fields: list[tuple[FieldPath, FieldBounds]] = [
            (read_path(path), bounds) for path, bounds in settings.fields.items()
        ]
        self._threads = Threads(MAX_THREADS, "callgate-size")

    def may_skip(self, body: bytes) -> bool:
        """See scrutiny.Interceptor. What is short as a whole has nothing long in it."""
        settings, size = self._settings, len(body)
        if self._fields:
            return False
        most = (settings.max_argument_bytes, settings.max_result_bytes, settings.max_characters)
        if any(bound is not None and size > bound for bound in most):
            return False
        if settings.max_items is not None and body.count(b",") >= settings.max_items:
            return False
        depth = settings.max_depth
        return depth is None or body.count(b"[") + body.count(b"{") <= depth

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        problem = self._problem(request.arguments)
        return None if problem is None else Decision(refuse=problem)

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        most = self._settings.max_result_bytes
        if most is None:
            return None
        size = len(_encode(result.result))
        if size <= most:
            return None
        if self._settings.on_large_result == "truncate":
            must_keep = "outputSchema" in result.tool.definition and not result.is_error
            if size <= INLINE_BYTES:
                smaller = cut(result.result, most, must_keep_structure=must_keep)
            else:
                work = partial(cut, result.result, most, must_keep_structure=must_keep)
                smaller = await self._threads.run(Job(work))
            if smaller is not None:
                note = f"cut from {size} to {len(_encode(smaller))} bytes"
                return Decision(result=smaller, note=note)
        return Decision(
            withhold=f"The result has {size:,} bytes; at most {most:,} may go back. "
            "Ask for less, or for it in parts."
        )

    async def on_message(self, message: Message) -> Decision | None:
        """See scrutiny.Interceptor."""
        most = self._settings.max_result_bytes
        if most is None or len(_encode(message.params)) <= most:
            return None
        return Decision(withhold=f"A message of more than {most:,} bytes is dropped.")

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.close()

    def _problem(self, arguments: dict[str, Json]) -> str | None:
        """What is too large about the arguments, as a sentence; None where nothing is."""
        most = self._settings.max_argument_bytes
        if most is not None and (size := len(_encode(arguments))) > most:
            return f"The arguments have {size:,} bytes; at most {most:,} may be sent."
        for path, bounds in self._fields:
            for place, value in path.find(arguments):
                problem = _too_much(value, bounds)
                if problem is not None:
                    return f"The field {shown(place)} {problem}."
        return self._problem_inside(arguments)

    def _problem_inside(self, arguments: dict[str, Json]) -> str | None:
        settings = self._settings
        bounds = FieldBounds(max_characters=settings.max_characters, max_items=settings.max_items)
        if bounds == FieldBounds() and settings.max_depth is None:
            return None
        for place, value in _nodes(arguments):
            is_open = isinstance(value, dict | list)
            if settings.max_depth is not None and is_open and len(place) >= settings.max_depth:
                return f"The arguments are nested more than {settings.max_depth} deep."
            problem = _too_much(value, bounds)
            if problem is not None:
                return f"The field {shown(place)} {problem}."
        return None


def load_size(settings: SizeSettings, points: frozenset[str]) -> Size:
    """The interceptor for these settings. Raises InterceptorError where a bound is never asked."""
    if settings.max_result_bytes is not None and not points & {"result", "error", "message"}:
        raise InterceptorError("`max_result_bytes` needs `on: [result]`")
    bounds = settings.model_dump(
        exclude={"max_result_bytes", "on_large_result"}, exclude_defaults=True
    )
    if bounds and "request" not in points:
        raise InterceptorError(f"`{next(iter(bounds))}` needs `on: [request]`")
    return Size(settings)


def _nodes(root: Json) -> Iterator[tuple[Place, Json]]:
    """Every value and every key, with its place."""
    pending: list[tuple[Place, Json]] = [((), root)]
    while pending:
        place, value = pending.pop()
        yield place, value
        if isinstance(value, dict):
            for key, item in value.items():
                yield (*place, key), key
                pending.append(((*place, key), item))
        elif isinstance(value, list):
            pending.extend(((*place, index), item) for index, item in enumerate(value))


def _too_much(value: Any, bounds: FieldBounds) -> str | None:
    most = bounds.max_characters
    if most is not None and isinstance(value, str) and len(value) > most:
        return f"has {len(value):,} characters; at most {most:,} may be sent"
    most = bounds.max_items
    if most is not None and isinstance(value, dict | list) and len(value) > most:
        return f"has {len(value):,} items; at most {most:,} may be sent"
    most = bounds.max_bytes
    if most is not None and (size := len(_encode(value))) > most:
        return f"has {size:,} bytes; at most {most:,} may be sent"
    return None
