"""JSON that is safe to print and to keep in lines: escapes stand for what would act there."""

from __future__ import annotations

import json
import re
from typing import Any

_ODD = re.compile(r"[^\x20-\x7e\n]+")


def harmless(json_text: str) -> str:
    """The same JSON; letters that are not just shown (ESC as C1, bidi, tags) are written `\\u202e`.

    Line breaks stay: within strings JSON has none.
    """
    if json_text.isascii() and "\x7f" not in json_text:
        return json_text  # controls of ASCII are escaped in any JSON
    return _ODD.sub(lambda found: "".join(map(_letter, found[0])), json_text)


def as_json(value: Any) -> str:
    """A value as JSON to read, harmless."""
    return harmless(json.dumps(value, indent=2, ensure_ascii=False))


def _letter(letter: str) -> str:
    if letter.isprintable():
        return letter
    units = letter.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
