"""From shadow to active: a policy without its `@mode("shadow")`, and nothing else changed."""

from __future__ import annotations

import re

from callgate.policy.text import tokens


def promoted(statement: str) -> str:
    """A policy's text without its `@mode("shadow")`, and nothing else changed.

    The statement is one that Cedar's parser took.
    """
    every = tokens(statement)
    for index, token in enumerate(every):
        is_mode = token.text == "mode" and index > 0 and every[index - 1].text == "@"
        if is_mode and every[index + 1].text == "(":
            return _without(statement, every[index - 1].offset, every[index + 3].end)
        if token.text in ("permit", "forbid") and (index == 0 or every[index - 1].text != "@"):
            break
    return statement


def _without(text: str, start: int, end: int) -> str:
    """Without a span, and without the line or the space that it alone stood on."""
    line_start = text.rfind("\n", 0, start) + 1
    rest = re.compile(r"[ \t]*(\r?\n)?").match(text, end)
    after = rest.end() if rest is not None else end
    if text[line_start:start].strip() == "":
        ends_line = rest is not None and rest[1] is not None
        return text[: line_start if ends_line else start] + text[after:]
    if rest is not None and rest[1] is not None:  # the last thing on its line: the break stays
        return text[:start].rstrip(" \t") + text[rest.start(1) :]
    return text[:start] + text[after:]
