"""The scalars of a JSON value with their JSON pointers; JSON inside of texts is opened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from callgate.model import Json

MAX_LEAVES = 50_000  # of one value
MAX_DEPTH = 60
MAX_INNER_DEPTH = 3  # texts in texts
MAX_INNER_CHARACTERS = 4 << 20


class Leaf(NamedTuple):
    """One scalar. `#` in a path begins a path inside of a text: `/content/0/text#/order/id`."""

    path: str
    value: str | int | float

    @property
    def field(self) -> str:
        """The last name on the way to it; items of a list have that of the list."""
        for step in reversed(self.path.replace("#", "/").split("/")):
            if step and not step.isdecimal():
                return step
        return ""


def leaves(value: Json) -> Iterator[Leaf]:
    """Every text and number, within bounds, in order; truths and nulls say nothing."""
    left = MAX_LEAVES
    # A stack, so that no nesting of a peer's can exhaust ours.
    open_ones: list[tuple[str, Json, int, int]] = [("", value, 0, 0)]
    while open_ones and left:
        path, one, depth, inner = open_ones.pop()
        if isinstance(one, str):
            opened = _opened(one) if inner < MAX_INNER_DEPTH else None
            if opened is None:
                left -= 1
                yield Leaf(path or "/", one)
            else:
                open_ones.append((f"{path}#", opened, depth, inner + 1))
        elif isinstance(one, (int, float)) and not isinstance(one, bool):
            left -= 1
            yield Leaf(path or "/", one)
        elif depth < MAX_DEPTH:
            open_ones.extend(
                (f"{path}/{step}", item, depth + 1, inner) for step, item in _items(one)
            )


def _items(value: Json) -> list[tuple[str, Json]]:
    """In reverse, for the stack."""
    if isinstance(value, dict):
        named = [(key.replace("~", "~0").replace("/", "~1"), item) for key, item in value.items()]
        return named[::-1]
    if isinstance(value, list):
        return [(str(index), item) for index, item in enumerate(value[:MAX_LEAVES])][::-1]
    return []


def _opened(text: str) -> Json:
    """The object or list that a text is the JSON of."""
    if text[:1] not in ("{", "[") or len(text) > MAX_INNER_CHARACTERS:
        return None
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return found if isinstance(found, (dict, list)) else None


def result_leaves(content: Json) -> Iterator[Leaf]:
    """Of a tool's result: what it says, without the names of MCP's own kinds of content.

    `structuredContent` first: its paths say more than those in texts that repeat it.
    """
    if not isinstance(content, dict):
        yield from leaves(content)
        return
    structured = content.get("structuredContent")
    if structured is not None:
        yield from (
            Leaf(f"/structuredContent{leaf.path}", leaf.value) for leaf in leaves(structured)
        )
    rest = {name: of for name, of in content.items() if name not in _OWN}
    for leaf in leaves(rest):
        if leaf.field not in _KINDS:
            yield leaf


_OWN = frozenset({"structuredContent", "resultType", "_meta", "isError"})
_KINDS = frozenset({"type", "mimeType"})
