"""Reads JSON as editors write it: with comments and trailing commas."""

from __future__ import annotations

import json
import re

from callgate.model import Json

_COMMENT = re.compile(r'("(?:[^"\\]|\\.)*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', re.DOTALL)
_NOT_NEWLINE = re.compile(r"[^\n]")


class JsoncError(Exception):
    """The text is not JSON; the message has the line."""


def read_jsonc(text: str) -> Json:
    """The value in the text. A key twice in one object is an error: which one would count?"""
    for pattern in (_COMMENT, _TRAILING_COMMA):
        text = pattern.sub(lambda match: match[1] or _NOT_NEWLINE.sub(" ", match[0]), text)
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise JsoncError(f"line {error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise JsoncError("nested too deeply") from None


def has_comments(text: str) -> bool:
    """Whether anything in the text is a comment."""
    return any(match[1] is None for match in _COMMENT.finditer(text))


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    value = dict(pairs)
    if len(value) != len(pairs):
        twice = sorted({key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1})
        raise JsoncError(f"the key {twice[0]!r} appears twice in one object")
    return value
