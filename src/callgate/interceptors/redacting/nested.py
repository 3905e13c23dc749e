"""Strings that hold JSON, and blobs that hold text: opened, and closed as they were."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import NamedTuple

from callgate.interceptors.redacting.regions import text_of
from callgate.model import Json
from callgate.protocol.jsonrpc import Malformed, parse_json

MOST_DEPTH = 8
"""How many strings that hold JSON are opened, one in the other; beyond, they are text."""

_INDENT = re.compile(r"^\s*[\[{]\r?\n([ \t]+)")
_SPACED = re.compile(r'":\s')


class Opened(NamedTuple):
    """What a string holds, and how to write it again in its own manner."""

    value: Json
    close: Callable[[Json], str]


def opened(text: str) -> Opened | None:
    """The JSON in a string, one value or one a line; None where it holds none."""
    stripped = text.strip()
    if not stripped or stripped[0] not in "[{" or stripped[-1] not in "]}":
        return None
    value = _parsed(stripped)
    if value is not None:
        before, _, after = text.partition(stripped)
        return Opened(value, lambda changed: before + _written(changed, stripped) + after)
    lines = text.splitlines()
    if len(lines) < 2:
        return None
    values = [_parsed(line) if line.strip() else "" for line in lines]
    if any(value is None for value in values):
        return None
    return Opened(list(values), lambda changed: _lines(changed, values, lines))


def opened_blob(text: str) -> Opened | None:
    """The text in a base64 blob; None where it holds something else."""
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None
    plain = text_of(data)
    if plain is None or plain.encode() != data:
        return None
    return Opened(plain, lambda changed: base64.b64encode(str(changed).encode()).decode())


def _parsed(text: str) -> Json:
    try:
        value = parse_json(text.encode())
    except (Malformed, UnicodeError):
        return None
    return value if isinstance(value, dict | list) else None


def _lines(changed: Json, values: list[Json], lines: list[str]) -> str:
    assert isinstance(changed, list)  # noqa: S101 - as it was opened
    if len(changed) != len(values):  # some were dropped
        return "\n".join(_written(value, "") for value in changed if value != "")
    return "\n".join(
        line if now == was else _written(now, line)
        for now, was, line in zip(changed, values, lines, strict=True)
    )


def _written(value: Json, like: str) -> str:
    """JSON in the manner of another: its indentation, its spaces, its escapes."""
    is_plain = like.isascii() and "\\u" in like
    indent = _INDENT.match(like)
    if indent is not None:
        return json.dumps(value, ensure_ascii=is_plain, indent=indent.group(1))
    spaces = (", ", ": ") if _SPACED.search(like) else (",", ":")
    return json.dumps(value, ensure_ascii=is_plain, separators=spaces)
