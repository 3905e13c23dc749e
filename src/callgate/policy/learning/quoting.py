"""Values from calls as Cedar writes them; nothing in them can end a literal or hide in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from callgate.model import Json
from callgate.policy.shapes import Kind

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS = frozenset({"true", "false", "if", "then", "else", "in", "like", "has", "is", "__cedar"})
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Mn", "Me"})


def quoted(text: str) -> str:
    """A string literal. What a reader would not see is written out."""
    return f'"{_escaped(text)}"'


def pattern(*pieces: str | None) -> str:
    """A literal for `like`: texts as they are, with None for the wildcard."""
    told = ("*" if piece is None else _escaped(piece).replace("*", "\\*") for piece in pieces)
    return f'"{"".join(told)}"'


def attribute(base: str, name: str) -> str:
    """`context.input.x`, or `context.input["x-y"]`."""
    return f"{base}.{name}" if _is_plain(name) else f"{base}[{quoted(name)}]"


def has(base: str, name: str) -> str:
    """`context.input has x`."""
    return f"{base} has {name if _is_plain(name) else quoted(name)}"


def entity(of_type: str, identifier: str) -> str:
    """`Callgate::OAuthUser::"ada"`."""
    return f"{of_type}::{quoted(identifier)}"


def literal(kind: Kind, value: Json) -> str:
    """A value in Cedar's JSON form of its kind, as an expression."""
    if kind is Kind.STRING:
        return quoted(value)
    if kind is Kind.BOOL:
        return "true" if value else "false"
    if kind is Kind.LONG:
        # The smallest number has no positive counterpart that could be negated.
        return str(value) if value > -(2**63) else f"({value + 1} - 1)"
    return f'decimal("{value}")'


def one_of(values: Iterable[str]) -> str:
    """A set literal."""
    return f"[{', '.join(values)}]"


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text
    return "".join(map(_character, text))


def _character(one: str) -> str:
    if one in _ESCAPES:
        return _ESCAPES[one]
    is_hidden = one != " " and unicodedata.category(one) in _INVISIBLE
    return f"\\u{{{ord(one):x}}}" if is_hidden else one


def _is_plain(name: str) -> bool:
    return _NAME.fullmatch(name) is not None and name not in _WORDS
