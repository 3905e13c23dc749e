"""Policies laid out in Cedar's own style: comments stay, and the meaning is checked to stay."""

from __future__ import annotations

import re

import cedarpy

from callgate.policy.source import PolicyError, read_policies

LINE_WIDTH = 100
INDENT_WIDTH = 2

_COMMENT_OR_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"|(?P<comment>//[^\n]*)', re.DOTALL)


def laid_out(source: str, text: str) -> str:
    """The text in Cedar's layout; laying it out again changes nothing. Raises PolicyError.

    INVARIANT: what is returned says what the text says: the same policies and comments, in order.
    """
    before = read_policies([(source, text)])
    found = _settled(source, text)
    after = read_policies([(source, found)])
    is_same = [policy.digest for policy in before] == [policy.digest for policy in after]
    if not is_same or _comments(text) != _comments(found):
        raise PolicyError(source, "laying it out would change what it says; it is left alone")
    return found


def _settled(source: str, text: str) -> str:
    """Laid out until nothing changes any more: now and then a comment takes a second time."""
    for _ in range(5):
        again = _once(source, text)
        if again == text:
            return text
        text = again
    raise PolicyError(source, "no layout of it is stable; it is left alone")


def _once(source: str, text: str) -> str:
    if not text.strip():
        return ""
    try:
        found = str(cedarpy.format_policies(text, LINE_WIDTH, INDENT_WIDTH))
    except ValueError as error:
        raise PolicyError(source, f"cannot be laid out: {error}") from None
    return found.strip("\n") + "\n"


def _comments(text: str) -> list[str]:
    found = (match["comment"] for match in _COMMENT_OR_STRING.finditer(text))
    return [comment.rstrip() for comment in found if comment is not None]
