"""Where in a policy text an error is, and what was probably meant: Cedar's parser says neither."""

from __future__ import annotations

import difflib
import re

import cedarpy

from callgate.policy.text import TextError, Token, place, tokens

MAX_SEARCHED = 64 << 10  # characters; the place in a longer statement is its beginning
_EARLY_END = "unexpected end of input"
_NAMED = re.compile(r"`([^`]+)`|'([^']+)'|: (@?\w+)$")
_KNOWN = (
    *("permit", "forbid", "when", "unless", "principal", "action", "resource", "context"),
    *("has", "like", "in", "is", "if", "then", "else", "true", "false"),
    *("contains", "containsAll", "containsAny", "isEmpty", "getTag", "hasTag"),
    *("decimal", "lessThan", "lessThanOrEqual", "greaterThan", "greaterThanOrEqual"),
    *("ip", "isIpv4", "isIpv6", "isLoopback", "isMulticast", "isInRange"),
    *("datetime", "duration", "offset", "durationSince", "toDate", "toTime", "toMilliseconds"),
    *("toSeconds", "toMinutes", "toHours", "toDays"),
)
_HINTS = {
    "unexpected end of input": "a policy ends with `;`",
    "'=' is not a valid operator": "write `==` to compare",
    "multiple relational operators": "put parentheses around one of the comparisons",
    "unexpected token `temporal`": "temporal conditions are not part of Cedar",
    "unexpected token `guardrails`": "guardrail conditions are not part of Cedar",
    "integer parse error": "integers have 64 bits",
}


def problem_of(statement: str, message: str) -> tuple[int, str]:
    """The offset of what a parser's message speaks of, and the message with a suggestion."""
    offset, word = _culprit(statement, message)
    return offset, f"{message}{_suggestion(message, word)}"


def excerpt(text: str, offset: int) -> str:
    """The line of an offset, and a caret below it."""
    line, column = place(text, offset)
    written = text.split("\n")[line - 1].replace("\t", " ")
    start = max(0, min(column - 60, len(written) - 100))
    shown = written[start : start + 100]
    margin = " " * len(str(line))
    return f"{line} | {shown}\n{margin} | {' ' * (column - 1 - start)}^"


def _culprit(statement: str, message: str) -> tuple[int, str]:
    if len(statement) > MAX_SEARCHED:
        return 0, ""
    try:
        every = tokens(statement)
    except TextError as error:
        return error.offset, ""
    if not every:
        return 0, ""
    if message.startswith(_EARLY_END):
        return max(every[-1].end - 1, 0), ""
    if message.startswith("unexpected token"):
        token = _unexpected(statement, every, _NAMED.findall(message))
        return token.offset, token.text
    return _named(statement, every, message)


def _unexpected(statement: str, every: list[Token], named: list[tuple[str, ...]]) -> Token:
    """The token that a parser did not expect: all beginnings before it only lack an end."""
    low, high = 0, len(every) - 1
    while low < high:
        middle = (low + high) // 2
        if _lacks_only_an_end(statement[: every[middle].end]):
            low = middle + 1
        else:
            high = middle
    # The parser tries to recover, so that it complains of a token only when it has read the next.
    text = next(filter(None, named[0])) if named else every[low].text
    return next((t for t in reversed(every[: low + 1]) if t.text == text), every[low])


def _lacks_only_an_end(text: str) -> bool:
    try:
        cedarpy.policies_to_json_str(text)
    except ValueError as error:
        return str(error).startswith(_EARLY_END)
    return True


def _named(statement: str, every: list[Token], message: str) -> tuple[int, str]:
    if message.startswith("integer parse error"):
        longest = max((t for t in every if t.kind == "number"), key=lambda t: len(t.text))
        return longest.offset, ""
    names = [next(filter(None, match)) for match in _NAMED.findall(message)]
    if message.startswith("duplicate") and names:
        at = statement.find(names[0], statement.find(names[0]) + 1)
        return max(at, 0), ""
    for name in reversed(names):  # the last is the most exact: `contxt.x`, `contxt` has no …
        for token in every:
            if token.text == name:
                return token.offset, name
        at = statement.find(name)
        if at >= 0:
            return at, ""
    return every[0].offset, ""


def _suggestion(message: str, word: str) -> str:
    for beginning, hint in _HINTS.items():
        if message.startswith(beginning):
            return f"; {hint}"
    near = difflib.get_close_matches(word, _KNOWN, n=1, cutoff=0.7) if word else []
    return f'; did you mean "{near[0]}"?' if near and near[0] != word else ""
