"""Policies drafted from calls, as text: each under what it rests on, and cases beside them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

import yaml
from msgspec.structs import replace

from callgate.authoring.hidden import one_line
from callgate.model import CALL_TOOL, Json, Value
from callgate.policy.cases import Ruling
from callgate.policy.decided import Decision
from callgate.policy.layout import laid_out
from callgate.policy.learning.bounding import Level
from callgate.policy.learning.proposing import Proposed
from callgate.policy.source import ACTIVE
from callgate.review.cases import case_of

MAX_NAMES = 5  # of principals, in a comment
MAX_LINE = 200
RULES = {
    Level.STRICT: "each principal may do what it did: listed values, exact ranges",
    Level.BOUNDED: "all who used a tool may do what any of them did; ranges are rounded outwards",
    Level.OPEN: "all who used a tool may use it, whatever the arguments",
}
_CASES_HEAD = """\
# Drafted from recorded calls: how they come out once the drafted policies decide, and no others.
"""


class Basis(Value):
    """What a draft rests on, as a whole."""

    level: Level
    calls: int
    first_at: float
    last_at: float


def policies_text(proposed: Sequence[Proposed], basis: Basis, mode: str) -> str:
    """A Cedar file, laid out. Raises PolicyError where a policy is more than Cedar takes."""
    parts = [
        f"// Drafted from {_calls(basis.calls)} that ran, {_span(basis)}.\n"
        f"// --generalise {basis.level}: {RULES[basis.level]}.\n"
        "// Read every policy before you rely on it.\n//\n"
    ]
    parts += [_policy(one, mode) for one in proposed]
    return laid_out("the draft", "\n".join(parts))


def _policy(one: Proposed, mode: str) -> str:
    annotations = [f'@id("{one.id}")', *([f'@mode("{mode}")'] if mode != ACTIVE else [])]
    return "\n".join([*comments(one), *annotations, one.text]) + "\n"


def comments(one: Proposed) -> Iterator[str]:
    """What a policy rests on, as comments that nothing in them can leave."""
    tools = ", ".join(tool.qualified_name for tool in one.tools)
    first = min(observed.first_at for observed in one.seen)
    last = max(observed.last_at for observed in one.seen)
    span = _at(first) if _at(first) == _at(last) else f"{_at(first)} to {_at(last)}"
    yield f"// {_short(f'{tools}, by {_whom(one)}: {_calls(one.calls)}, {span}')}"
    if one.whom.groups:
        groups = ", ".join(one.whom.groups)
        yield f"// {_short(f'Everybody who called as a member of {groups} did so.')}"
    for place, why in one.unbound:
        yield f"// {_short(f'Not bound: {place} ({why}).')}"


def _calls(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"


def _whom(one: Proposed) -> str:
    names = [actor.id for actor in one.actors[:MAX_NAMES]]
    more = len(one.actors) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def cases_text(proposed: Sequence[Proposed], refused: Iterable[Decision]) -> str | None:
    """Some seen calls, and some that the draft refuses, for `callgate policy test`; None: none."""
    seen = [sample for one in proposed for observed in one.seen for sample in observed.samples]
    others = list(refused)
    cases = [_case(one, f"seen in call {one.call}", Ruling.PERMIT) for one in seen]
    cases += [_case(one, f"not as in call {one.call}", Ruling.REFUSE) for one in others]
    if not cases:
        return None
    tools: dict[str, Json] = {
        one.question.tool.qualified_name: {"inputSchema": one.question.tool.input_schema}
        for one in (*seen, *others)
        if one.question.tool.method == CALL_TOOL
    }
    document = {"suite": "Drafted from calls", "tools": tools, "cases": cases}
    body = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return _CASES_HEAD + str(body)


def _case(decision: Decision, name: str, expected: Ruling) -> dict[str, Json]:
    """Without facts of interceptors: a draft reads none."""
    question = replace(decision.question, enriched={})
    return case_of(replace(decision, question=question), name, expected)


def _span(basis: Basis) -> str:
    return f"{_at(basis.first_at)} to {_at(basis.last_at)}"


def _at(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%MZ")


def _short(text: str) -> str:
    return one_line(text, MAX_LINE)
