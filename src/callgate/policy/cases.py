"""What a policy set is expected to say of single calls, and whether it says it."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from callgate.model import Json, Principal, Tool, Value, Verdict
from callgate.policy.account import Account
from callgate.policy.answers import NO_PERMIT
from callgate.policy.decisions import verdict_on
from callgate.policy.engine import Engine, Question
from callgate.policy.schema import RESERVED_KEYS
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.methods import METHODS


class Ruling(StrEnum):
    """How a call comes out, as far as policy and the tool's schema decide it."""

    PERMIT = "permit"
    REFUSE = "refuse"  # no permit, or a forbid
    ERROR = "error"  # refused because a policy failed, or does not fit the tool
    INVALID = "invalid"  # the arguments do not fit the tool: policy was never asked


class Expectation(Value):
    """What a case expects. What is None may be anything."""

    ruling: Ruling
    policies: tuple[str, ...] | None = None  # exactly these decided
    reason: str | None = None  # is part of what operators are told
    advice: str | None = None  # is part of what the agent is told


class Case(Value):
    """One call, and what is expected of it."""

    name: str
    suite: str  # the file
    line: int  # where in it
    principal: Principal
    tool: Tool
    arguments: dict[str, Json]
    facts: dict[str, dict[str, Json]]  # interceptor → fact → value
    now: float | None  # None: the case does not say, so that no policy may ask
    expected: Expectation


class Ruled(Value):
    """How one call came out."""

    ruling: Ruling
    reason: str  # for operators
    account: Account | None = None  # None: policy was never asked

    @property
    def policies(self) -> tuple[str, ...]:
        """Ids of the policies that decided."""
        return self.account.verdict.policies if self.account is not None else ()

    @property
    def advice(self) -> str | None:
        """What the agent is told."""
        return self.account.verdict.advice if self.account is not None else None


class Result(Value):
    """A case, how it came out, and what of that was not expected."""

    case: Case
    ruled: Ruled
    problems: tuple[str, ...] = ()

    @property
    def is_passed(self) -> bool:
        """Whether everything came out as expected."""
        return not self.problems


Fits = Callable[[Tool, dict[str, Json]], str | None]
"""Do arguments fit a tool? None, or one sentence that says why not."""


def rule(engine: Engine, question: Question, fits: Fits) -> Ruled:
    """What the gateway would say, from the stage `resolve` to `authorize`."""
    problem = fits(question.tool, question.arguments)
    key = find_key(question.arguments, RESERVED_KEYS) if problem is None else None
    if key is not None:
        problem = f"The argument key {key!r} is reserved; rename it."
    if problem is not None:
        return Ruled(ruling=Ruling.INVALID, reason=problem)
    if METHODS[question.tool.method].is_list:
        return _listed(engine, question)
    account = engine.examine(question)
    return Ruled(ruling=ruling_of(account.verdict), reason=account.verdict.reason, account=account)


def _listed(engine: Engine, question: Question) -> Ruled:
    verdict = verdict_on(engine, question)
    return Ruled(
        ruling=Ruling.PERMIT if verdict.is_permitted else Ruling.REFUSE,
        reason=verdict.reason,
        account=Account(verdict=verdict, policies=()),
    )


def ruling_of(verdict: Verdict) -> Ruling:
    """How a verdict comes out; not of a list, which needs no permit."""
    if verdict.is_permitted:
        return Ruling.PERMIT
    if verdict.errors:
        return Ruling.ERROR
    # A refusal that no forbid made, and that is not the lack of a permit, is a policy's failing.
    is_decided = verdict.policies or verdict.reason == NO_PERMIT
    return Ruling.REFUSE if is_decided else Ruling.ERROR


def run(engine: Engine, case: Case, fits: Fits) -> Result:
    """Rules one case, and compares."""
    question = Question(
        principal=case.principal,
        tool=case.tool,
        arguments=case.arguments,
        enriched=case.facts,
        now=case.now if case.now is not None else 0.0,
    )
    ruled = rule(engine, question, fits)
    if case.now is None and engine.varies_with_time(case.principal, [case.tool]):
        problem = "a policy in scope reads the time, which the case does not say: give it `time`"
        return Result(case=case, ruled=ruled, problems=(problem,))
    return Result(case=case, ruled=ruled, problems=tuple(_differences(case.expected, ruled)))


def _differences(expected: Expectation, ruled: Ruled) -> list[str]:
    if expected.ruling is not ruled.ruling:
        return [f"expected {expected.ruling}, but {_came_out(ruled)}"]
    found = []
    if expected.policies is not None and set(expected.policies) != set(ruled.policies):
        found.append(
            f"expected to be decided by {_names(expected.policies)}, "
            f"but {_names(ruled.policies)} decided"
        )
    if expected.reason is not None and expected.reason not in ruled.reason:
        found.append(f"expected the reason to say {expected.reason!r}, but it is {ruled.reason!r}")
    if expected.advice is not None and expected.advice not in (ruled.advice or ""):
        said = f"but it is {ruled.advice!r}" if ruled.advice else "but there is none"
        found.append(f"expected the advice to say {expected.advice!r}, {said}")
    return found


def _came_out(ruled: Ruled) -> str:
    match ruled.ruling:
        case Ruling.PERMIT:
            return f"the call is permitted: {ruled.reason}"
        case Ruling.REFUSE:
            return f"the call is refused: {ruled.reason}"
        case Ruling.ERROR:
            return f"the call is refused because a policy failed: {ruled.reason}"
    return f"the arguments do not fit the tool, so that policy was never asked: {ruled.reason}"


def _names(identifiers: tuple[str, ...]) -> str:
    return ", ".join(sorted(identifiers)) or "no policy"
