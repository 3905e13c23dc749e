"""JSON values that nobody can change: what every call shares is shown to foreign code like this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NoReturn, TypeVar

from msgspec.structs import replace

from callgate.model import Json, Principal, Tool

T = TypeVar("T")
MAX_KEPT = 4096
_SAYING = "this is read-only; return a Decision, or change a copy.deepcopy of it"


class UnalterableError(TypeError):
    """Somebody tried to change what it is only shown."""


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise UnalterableError(_SAYING)


class FixedDict(dict[str, Json]):
    """A dict to read. `copy.deepcopy` gives an ordinary one."""

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = _refuse
    __ior__ = _refuse

    def __deepcopy__(self, _: dict[int, Any]) -> dict[str, Json]:
        return {key: _ordinary(item) for key, item in self.items()}

    def __reduce__(self) -> tuple[type[dict[str, Json]], tuple[dict[str, Json]]]:
        return dict, (self.__deepcopy__({}),)


class FixedList(list[Json]):
    """A list to read. `copy.deepcopy` gives an ordinary one."""

    __setitem__ = __delitem__ = append = extend = insert = pop = remove = clear = _refuse
    sort = reverse = _refuse
    __iadd__ = __imul__ = _refuse

    def __deepcopy__(self, _: dict[int, Any]) -> list[Json]:
        return [_ordinary(item) for item in self]

    def __reduce__(self) -> tuple[type[list[Json]], tuple[list[Json]]]:
        return list, (self.__deepcopy__({}),)


def _ordinary(value: Json) -> Json:
    return value.__deepcopy__({}) if isinstance(value, (FixedDict, FixedList)) else value


EMPTY = FixedDict()


def fixed(value: Json) -> Json:
    """The value, with copies of its dicts and lists that cannot be changed."""
    if isinstance(value, dict):
        return FixedDict({key: fixed(item) for key, item in value.items()}) if value else EMPTY
    if isinstance(value, list):
        return FixedList([fixed(item) for item in value])
    return value


class _Kept(Generic[T]):
    """What was made of a value, for as long as it is likely to come again."""

    def __init__(self, make: Callable[[T], T]) -> None:
        self._make = make
        self._made: dict[int, tuple[T, T]] = {}  # holds the value, so that its id stays its own

    def __call__(self, value: T) -> T:
        found = self._made.get(id(value))
        if found is None:
            if len(self._made) >= MAX_KEPT:
                self._made.clear()
            found = self._made[id(value)] = (value, self._make(value))
        return found[1]


def _tool(tool: Tool) -> Tool:
    return replace(tool, definition=fixed(tool.definition), mirrored=FixedDict(tool.mirrored))  # type: ignore[arg-type] # its keys are paths


def _principal(principal: Principal) -> Principal:
    return replace(principal, claims=fixed(principal.claims))


fixed_tool = _Kept(_tool)
"""The tool with a definition that cannot be changed. Equal to it."""

fixed_principal = _Kept(_principal)
"""The principal with claims that cannot be changed. Equal to it."""
