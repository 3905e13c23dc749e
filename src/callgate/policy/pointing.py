"""Where in a policy something stands, so that what is said of it can point there."""

from __future__ import annotations

import re
from typing import NamedTuple

from callgate.policy.account import Clause
from callgate.policy.source import Policy
from callgate.policy.text import TextError, Token, place, tokens

_ESCAPE = re.compile(r'\\(u\{[0-9a-fA-F]{1,6}\}|["\'\\nrt0])')
_PLAIN = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


class Place(NamedTuple):
    """Line and column in the file of a policy, both from 1."""

    line: int
    column: int


def place_of(policy: Policy, offset: int = 0) -> Place:
    """The place of an offset into the policy's text, in characters."""
    line, column = place(policy.text, offset)
    first = policy.column - 1 if line == 1 else 0
    return Place(policy.line + line - 1, column + first)


def place_of_entity(policy: Policy, kind: str, identifier: str) -> Place:
    """Where the policy first names an entity (`Callgate::Action::"x"`); else where it begins."""
    last = kind.rpartition("::")[2]
    every = _tokens(policy)
    for index, token in enumerate(every):
        if token.kind != "string" or index < 2 or unquoted(token.text) != identifier:
            continue
        if every[index - 1].text == "::" and every[index - 2].text == last:
            start = index - 2
            while start >= 2 and every[start - 1].text == "::":
                start -= 2
            return place_of(policy, every[start].offset)
    return place_of(policy)


def place_of_type(policy: Policy, kind: str) -> Place:
    """Where the policy first names an entity type; else where it begins."""
    compact = re.escape(kind).replace("::", r"\s*::\s*")
    found = re.search(rf"(?<![\w:]){compact}(?!\w)", policy.text)
    return place_of(policy, found.start() if found is not None else 0)


def place_in_clause(policy: Policy, clause: Clause, attribute: str | None) -> Place:
    """Where a clause first names an attribute; else where it begins."""
    start = _offset_of(policy, clause)
    if attribute is not None:
        end = start + len(clause.text)
        for token in _tokens(policy):
            is_inside = start <= token.offset < end
            name = unquoted(token.text) if token.kind == "string" else token.text
            if is_inside and name == attribute:
                return place_of(policy, token.offset)
    return place_of(policy, start)


def unquoted(text: str) -> str:
    """What a Cedar string in its quotes stands for."""

    def plain(match: re.Match[str]) -> str:
        escape = match[1]
        return chr(int(escape[2:-1], 16)) if escape[0] == "u" else _PLAIN.get(escape, escape)

    return _ESCAPE.sub(plain, text[1:-1])


def _tokens(policy: Policy) -> list[Token]:
    try:
        return tokens(policy.text)
    except TextError:
        return []  # Cedar's parser took what our lexer does not know: point at the whole


def _offset_of(policy: Policy, clause: Clause) -> int:
    lines = policy.text.split("\n")
    line = clause.line - policy.line
    column = clause.column - (policy.column if line == 0 else 1)
    return sum(len(text) + 1 for text in lines[:line]) + column
