"""Characters that a reader would not see: named in problems, escaped wherever text is shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from callgate.model import Json

_KEPT = frozenset("\n\t")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def hidden_in(text: str) -> tuple[str, ...]:
    """The characters of a text that show as nothing, or change how the rest shows: `U+202E`.

    Control characters, marks that turn the direction of writing, zero-width characters: with them a
    policy can read one way to a person and another way to the engine (CVE-2021-42574).
    """
    found = {one for one in text if one not in _KEPT and unicodedata.category(one) in _INVISIBLE}
    return tuple(f"U+{ord(one):04X}" for one in sorted(found))


def texts_in(value: Json) -> Iterator[str]:
    """Every text in a JSON value, keys as well."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def shown(text: str, most: int = 2000) -> str:
    """A text from outside as it may go to a terminal: nothing hidden, no endless length."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(one if one in _KEPT or not hidden_in(one) else _escaped(one) for one in cut)


def one_line(text: str, most: int = 200) -> str:
    """The same on one line, so that it cannot leave a comment."""
    return " ".join(shown(text, most).split())


def _escaped(character: str) -> str:
    return f"\\u{{{ord(character):x}}}"
