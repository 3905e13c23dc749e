"""What every match of a regular expression must hold, read from the expression."""

from __future__ import annotations

import re
import re._constants as kind  # type: ignore[import-not-found] # not in the stubs
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

MOST = 256
"""How many texts a part is written out as, before it counts as anything."""

Sees = Callable[[str], bool]

_FLAGS = re.compile(r"\(\?([imsx]+)\)")


def parsed(pattern: str) -> Any:
    """An expression of Rust or RE2, with flags that hold from where they stand on."""
    flags = "".join(match.group(1) for match in _FLAGS.finditer(pattern))
    plain = _FLAGS.sub("", pattern)
    for theirs, ours in ((r"\z", r"\Z"), ("[:alnum:]", "A-Za-z0-9")):
        plain = plain.replace(theirs, ours)
    return parser.parse(plain, re.X if "x" in flags else 0)


class Run(NamedTuple):
    """How long a run of some characters every match has, at the least."""

    whole: int | None  # where it holds nothing else
    first: int
    longest: int
    last: int


def run_of(expression: Any, characters: str) -> Run:
    """The run of these characters in every match."""
    made = Run(0, 0, 0, 0)
    for operation, argument in expression:
        one = _run(operation, argument, characters)
        first = made.first if made.whole is None else made.whole + one.first
        last = one.last if one.whole is None else made.last + one.whole
        whole = None if made.whole is None or one.whole is None else made.whole + one.whole
        longest = max(made.longest, one.longest, made.last + one.first, first, last)
        made = Run(whole, first, longest, last)
    return made


def _run(operation: Any, argument: Any, characters: str) -> Run:
    nothing = Run(None, 0, 0, 0)
    if operation is kind.LITERAL:
        return Run(1, 1, 1, 1) if chr(argument) in characters else nothing
    if operation is kind.IN:
        only = all(_is_of(one, characters) for one in argument)
        return Run(1, 1, 1, 1) if only else nothing
    if operation in (kind.AT, kind.ASSERT, kind.ASSERT_NOT):
        return Run(0, 0, 0, 0)
    if operation is kind.SUBPATTERN:
        return run_of(argument[3], characters)
    if operation is kind.BRANCH:
        runs = [run_of(branch, characters) for branch in argument[1]]
        wholes = [run.whole for run in runs if run.whole is not None]
        whole = min(wholes) if len(wholes) == len(runs) else None
        return Run(
            whole,
            min(run.first for run in runs),
            min(run.longest for run in runs),
            min(run.last for run in runs),
        )
    if operation in (kind.MAX_REPEAT, kind.MIN_REPEAT):
        least, _, inner = argument
        run = run_of(inner, characters)
        if run.whole is not None:
            return Run(*[run.whole * least] * 4)
        return run if least else nothing
    return nothing


def _is_of(one: Any, characters: str) -> bool:
    operation, argument = one
    if operation is kind.LITERAL:
        return chr(argument) in characters
    if operation is kind.RANGE:
        return all(chr(code) in characters for code in range(argument[0], argument[1] + 1))
    word = set("0123456789_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    is_word = operation is kind.CATEGORY and argument in (kind.CATEGORY_DIGIT, kind.CATEGORY_WORD)
    return is_word and word <= set(characters)


def is_seen(expression: Any, sees: Sees) -> bool:
    """Whether every match certainly holds a text that is seen, in any case of its letters."""
    texts = {""}
    for operation, argument in expression:
        more = _texts(operation, argument)
        if more is not None and len(texts) * len(more) <= MOST:
            texts = {text + one for text in texts for one in more}
            continue
        if _all_seen(texts, sees) or _is_seen(operation, argument, sees):
            return True
        texts = {""}
    return _all_seen(texts, sees)


def _all_seen(texts: Iterable[str], sees: Sees) -> bool:
    return all(sees(text) and sees(text.lower()) and sees(text.upper()) for text in texts)


def _is_seen(operation: Any, argument: Any, sees: Sees) -> bool:
    if operation is kind.SUBPATTERN:
        return is_seen(argument[3], sees)
    if operation is kind.BRANCH:
        return all(is_seen(branch, sees) for branch in argument[1])
    if operation in (kind.MAX_REPEAT, kind.MIN_REPEAT):
        return argument[0] > 0 and is_seen(argument[2], sees)
    return False


def _texts(operation: Any, argument: Any) -> set[str] | None:
    """All that a part can be; None where that is too much."""
    if operation is kind.LITERAL:
        return {chr(argument)}
    if operation is kind.AT:
        return {""}
    if operation is kind.IN:
        if all(one[0] is kind.LITERAL for one in argument):
            return {chr(one[1]) for one in argument}
        return None
    if operation is kind.SUBPATTERN:
        return _written(argument[3])
    if operation is kind.BRANCH:
        every = [_written(branch) for branch in argument[1]]
        known = [one for one in every if one is not None]
        return set().union(*known) if len(known) == len(every) else None
    if operation in (kind.MAX_REPEAT, kind.MIN_REPEAT) and argument[:2] == (0, 1):
        inner = _written(argument[2])
        return None if inner is None else inner | {""}
    return None


def _written(expression: Any) -> set[str] | None:
    texts = {""}
    for operation, argument in expression:
        more = _texts(operation, argument)
        if more is None or len(texts) * len(more) > MOST:
            return None
        texts = {text + one for text in texts for one in more}
    return texts
