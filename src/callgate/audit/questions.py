"""What can be asked of the record: which calls, which page of them, read how far."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from callgate.model import Json, Value

Positions = Mapping[int, int]
"""How far each log has been read: log → the seq that comes next. A log that is missing: unread."""

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~", "?"]

_SPLIT = re.compile(r'((?:"(?:[^"\\]|\\.)*"|[^"=!<>~])+)(?:(!=|<=|>=|==?|<|>|~)(.*))?', re.DOTALL)
_STEP = re.compile(r'"(?:[^"\\]|\\.)*"|[^."]+')
_PATH = re.compile(rf"(?:{_STEP.pattern})(?:\.(?:{_STEP.pattern}))*")


class Condition(Value):
    """One condition on something within a call, as `audit.explain.whole` has it."""

    path: tuple[str, ...]
    operator: Operator = "?"  # `~`: the text contains it, in any case; `?`: there is such a thing
    value: Json = None  # what is compared with
    text: str = ""  # the value as it was written: `=` also finds texts that are just this
    is_quoted: bool = False  # written in quotes: only texts are meant

    @classmethod
    def parse(cls, written: str) -> Condition:
        """`arguments.amount>=500`, `arguments.to~example.com`, `principal.groups=finance`.

        `*` stands for any key or item; steps may be in double quotes, and so may the value.
        Without an operator: that there is such a thing. Raises ValueError with what to write.
        """
        found = _SPLIT.fullmatch(written)
        if found is None or not _PATH.fullmatch(found[1].strip()):
            raise ValueError(
                f"{written!r} is not a path, an operator (= != < <= > >= ~) and a value, "
                "such as arguments.amount>=500"
            )
        path = tuple(_unquoted(step) for step in _STEP.findall(found[1].strip()))
        if found[2] is None:
            return cls(path=path)
        operator, text = cast(Operator, found[2].replace("==", "=")), found[3].strip()
        value, is_quoted = _value(text)
        if operator in ("<", "<=", ">", ">=") and (
            isinstance(value, bool) or not isinstance(value, (int, float, str))
        ):
            raise ValueError(f"{written!r} compares with {text}, which is neither more nor less")
        if operator == "~":
            value = str(value) if is_quoted else text
        return cls(
            path=path,
            operator=operator,
            value=value,
            text=str(value) if is_quoted else text,
            is_quoted=is_quoted,
        )


def _unquoted(step: str) -> str:
    if not step.startswith('"'):
        return step
    return str(_value(step)[0])


def _value(text: str) -> tuple[Json, bool]:
    """The scalar that the text stands for, and whether it is a text in quotes."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        value = None if text == "null" else text
        if text.startswith('"'):
            raise ValueError(f"{text} does not end as a text in double quotes does") from None
        return value, False
    if isinstance(value, (dict, list)):
        return text, False
    return value, isinstance(value, str)


class CallFilter(Value):
    """Which calls. What is None does not matter."""

    principal: str | None = None
    agent: str | None = None
    tenant: str | None = None
    target: str | None = None
    tool: str | None = None  # as its target names it, or qualified: `git___log`
    tool_sha256: str | None = None  # of the tool's definition
    method: str | None = None  # of MCP: `tools/call`, `resources/read`, …
    code: str | None = None  # `ok`, or a refusal code
    ran: str | None = None  # yes | no | unknown
    is_delivered: bool | None = None
    run: str | None = None
    session: str | None = None
    trace: str | None = None  # the trace id: 32 hex digits
    policy: str | None = None  # a determining policy
    interceptor: str | None = None  # that did anything
    label: str | None = None
    where: tuple[Condition, ...] = ()  # each must hold
    text: str | None = None  # words in arguments, results and reasons: `audit.searching`
    is_refused: bool = False  # only calls that were refused, whatever the code
    with_lists: bool = False  # also what was listed, which is mostly not what one looks for
    since: float | None = None  # seconds since the epoch: ended (or else begun) then or later
    until: float | None = None  # … and before then
    after: str | None = None  # `Page.next` of the page before this one
    limit: int = 50


class Page(Value):
    """Some calls, newest first, and how to go on."""

    calls: tuple[dict[str, Json], ...]  # each as `audit.explain.whole` has it, with its `short` id
    next: str | None = None  # for `CallFilter.after`; None: these were the last
    # A page may hold fewer calls than wanted, even none, and still have a `next`: one question
    # looks at so many records and no more.
    behind: int = 0  # records that the index did not have yet, so that they were looked at singly


class CursorError(ValueError):
    """What was given as `after` is not the `next` of a page of this record."""


class ExportCursor(Value):
    """How far an export has come. Everything before it was taken by its destination."""

    positions: dict[int, int] = {}  # log → the seq that comes next
    chain: str | None = None  # of formats that chain their events: the hash of the last
