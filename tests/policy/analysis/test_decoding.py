"""What the solver found is a request that the real engine sees so."""

from typing import Any

import pytest

from callgate.policy.account import State
from callgate.policy.analysis.decoding import decoded
from callgate.policy.analysis.meaning import Compiler
from callgate.policy.analysis.replay import Replay
from callgate.policy.analysis.solving import Solver
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.engine import Question
from callgate.policy.names import Names
from fakes.calls import a_tool
from fakes.subjects import a_subject

ENRICHMENTS = {"risk": {"score": "integer", "tier": "string"}}
TOOL = a_tool(
    schema={
        "type": "object",
        "properties": {
            "amount": {"type": "integer", "minimum": 5},
            "rate": {"type": "number"},
            "url": {"type": "string"},
            "path": {"type": "string"},
            "free": {"type": "object"},
            "any": {},
            "tags": {"type": "array", "items": {"type": "string"}},
            "either": {"type": ["integer", "string"]},
            "maybe": {"type": ["string", "null"]},
            "when": {"type": "string"},
            "rows": {
                "type": "array",
                "items": {"type": "object", "properties": {"id": {"type": "integer"}}},
            },
            "kind": {"enum": ["b", "a"]},
            "deep": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
        },
        "required": ["amount", "kind", "deep", "maybe"],
    }
)
CONDITIONS = [
    "context.input.amount > 7",
    'context.input has rate && context.input.rate.greaterThan(decimal("0.5"))',
    'principal in Callgate::Group::"finance" && principal.id like "a*z"',
    'principal is Callgate::UnauthenticatedUser && principal has tenant && principal.tenant != "x"',
    'principal.hasTag("role") && principal.getTag("role") != "admin" && principal has agent',
    "context.input has url && principal.id == context.input.url",
    'context.derived has url.host && context.derived.url.host == "api.example.com"',
    'context.derived has url.domain && context.derived.url.domain == "example.com"',
    'context.derived has url.host && context.derived.url.host like "*.example.com" && context.derived.url has scheme && context.derived.url.scheme == "https"',
    'context.derived has url.ip && context.derived.url.ip.isInRange(ip("10.0.0.0/8"))',
    'context.derived has url.address_domain && context.derived.url.address_domain == "example.com"',
    'context.derived has path.path && context.derived.path.path like "/data/*" && context.derived.path has escapes && !context.derived.path.escapes',
    "context.derived has path.escapes && context.derived.path.escapes",
    "context.derived has path && context.derived.path.length > 20 && context.derived.path.length < 30",
    'context.derived has when.instant && context.derived.when.instant > datetime("2026-05-05")',
    'context.input has free && context.input.free.json like "*secret*"',
    "context.derived has free && context.derived.free.bytes < 20",
    'context.input has any && context.input.any.kind == "array"',
    'context.input has any && context.input.any.json like "{*\\"a\\"*"',
    'context.input has tags && context.input.tags.containsAll(["a", "b"]) && !context.input.tags.contains("c")',
    'context.derived has tags && context.derived.tags.count > 3 && context.input has tags && context.input.tags.contains("z")',
    'context.input has tags && ["a", "b"].containsAll(context.input.tags)',
    "context.input has either.integer && context.input.either.integer == 4",
    "context.input has either.string",
    'context.meta.nulls.contains("maybe")',
    'context.input has maybe && context.input.maybe == "x"',
    'context.meta.extra.contains("zz")',
    'context.enriched.risk has score && context.enriched.risk.score > 90 && context.enriched.risk has tier && context.enriched.risk.tier == "high"',
    'context.system.now.toTime() > duration("18h") && context.system.now > datetime("2030-01-01")',
    "context.input.deep.n > 3",
    'context.input.kind == "a"',
]


def example_of(condition: str) -> tuple[Question, State]:
    subject = a_subject(
        f"permit(principal, action, resource) when {{ {condition} }};",
        TOOL,
        enrichments=ENRICHMENTS,
    )
    symbols = Symbols(TOOL, Names(), ENRICHMENTS)
    meaning = Compiler(symbols).policy(subject.policies[0])
    solver = Solver(symbols.settled(), 5.0)
    found = solver.plainest([meaning.is_satisfied], symbols.wishes)
    assert found is not None
    question = decoded(symbols, found).question
    return question, Replay(subject).state(subject.policies[0], question)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_cedar_sees_what_the_solver_found(condition: str) -> None:
    question, state = example_of(condition)

    assert state is State.SATISFIED, question


def test_an_example_is_as_plain_as_it_can_be() -> None:
    question, _ = example_of("context.input.amount > 7")

    arguments: dict[str, Any] = {"amount": 10, "kind": "b", "deep": {"n": 0}, "maybe": "text"}
    assert question.arguments == arguments
    assert (question.principal.id, question.principal.groups) == ("someone", ())
    assert (question.principal.kind, question.principal.claims) == ("jwt", {})
    assert question.now == 1_767_225_600.0
