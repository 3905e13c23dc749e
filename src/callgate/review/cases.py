"""Policy test cases out of reviewers' verdicts: the YAML format of `callgate policy test`."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.audit.record import rfc3339
from callgate.model import CALL_TOOL, Json, Principal, Tool, Value
from callgate.policy.cases import Ruling
from callgate.policy.decided import Decision
from callgate.review.verdicts import Judgement, ReviewVerdict

SUITE = "verdicts of reviewers"
MAX_NAME = 120


class Judged(Value):
    """A verdict, and the decision that it is about as far as it can be made again."""

    verdict: ReviewVerdict
    decision: Decision | None
    problem: str = ""  # why there is none


class Exported(Value):
    """A suite as plain values, and what could not become a case."""

    suite: dict[str, Json]
    left: tuple[str, ...]  # sentences

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self.suite["cases"])


def export(judged: Iterable[Judged]) -> Exported:
    """One case for each verdict that can be said of policy alone."""
    tools: dict[str, Tool] = {}
    cases: list[dict[str, Json]] = []
    left: list[str] = []
    for one in judged:
        problem = _problem(one, tools)
        if problem or one.decision is None:
            left.append(f"call {one.verdict.about}: {problem or one.problem}")
            continue
        tool = one.decision.question.tool
        tools[tool.qualified_name] = tool
        cases.append(_case(one.verdict, one.decision))
    suite: dict[str, Json] = {"suite": SUITE}
    described = {
        name: {"inputSchema": tool.input_schema}
        for name, tool in tools.items()
        if tool.method == CALL_TOOL
    }
    if described:
        suite["tools"] = described
    suite["cases"] = cases
    return Exported(suite=suite, left=tuple(left))


def _problem(one: Judged, tools: dict[str, Tool]) -> str:
    decision = one.decision
    if decision is None:
        return one.problem
    if decision.hidden:
        return "some of what policies could read is masked or erased in the record"
    if not decision.knows_claims:
        return "the claims of the caller are not in the record"
    tool = decision.question.tool
    other = tools.get(tool.qualified_name)
    if other is not None and other.digest != tool.digest:
        return f"{tool.qualified_name} had another definition then than for an earlier verdict"
    permitted = decision.ruling is Ruling.PERMIT
    if one.verdict.verdict is Judgement.OVER_BLOCKED and permitted:
        return "policy had permitted it: what blocked it was something else"
    return ""


def _case(verdict: ReviewVerdict, decision: Decision) -> dict[str, Json]:
    return case_of(decision, _name(verdict), _expected(verdict.verdict, decision))


def case_of(decision: Decision, name: str, expected: Ruling) -> dict[str, Json]:
    """A decision as a case."""
    question = decision.question
    case: dict[str, Json] = {
        "name": name,
        "principal": _principal(question.principal),
        "tool": question.tool.qualified_name,
        "arguments": question.arguments,
    }
    if question.enriched:
        case["facts"] = {name: dict(facts) for name, facts in question.enriched.items()}
    case["time"] = rfc3339(question.now)
    case["expect"] = expected.value
    return case


def _expected(verdict: Judgement, decision: Decision) -> Ruling:
    match verdict:
        case Judgement.OVER_BLOCKED:
            return Ruling.PERMIT
        case Judgement.MISSED:
            return Ruling.REFUSE
    return decision.ruling


def _name(verdict: ReviewVerdict) -> str:
    note = " ".join(verdict.note.split())
    said = f"{verdict.verdict.value} ({verdict.author}, call {verdict.about})"
    name = f"{note} - {said}" if note else said
    return name if len(name) <= MAX_NAME else f"{note[: MAX_NAME - len(said) - 4]}… - {said}"


def _principal(principal: Principal) -> dict[str, Json]:
    told: dict[str, Json] = {"id": principal.id}
    if principal.groups:
        told["groups"] = list(principal.groups)
    if principal.claims:
        told["claims"] = principal.claims
    for name in ("tenant", "agent"):
        if getattr(principal, name) is not None:
            told[name] = getattr(principal, name)
    if principal.kind != "jwt":
        told["kind"] = principal.kind
    if principal.issuer:
        told["issuer"] = principal.issuer
    return told
