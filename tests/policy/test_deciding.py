"""What is left of policies at a tool answers exactly as the whole policies do."""

from typing import Any

import cedarpy
import pytest
from cedarpy import _internal
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.model import Json, Principal, Tool
from callgate.policy.answers import Answer, answer_of
from callgate.policy.context import build
from callgate.policy.deciding import deciding
from callgate.policy.decisions import principal, tool
from callgate.policy.engine import Engine, Question
from callgate.policy.entities import facts_of
from callgate.policy.names import Names
from callgate.policy.plans import Plans
from callgate.policy.preview import parsed
from callgate.policy.schema import cedar_schema, context_shape, input_shape
from callgate.policy.source import Policy, read_policies
from callgate.protocol.jsonrpc import encode
from fakes.conditions import nested

NAMES = Names()
NOW = 1_790_000_000.0
ENRICHMENTS = {"risk": {"score": "integer", "level": "string"}}
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "sure": {"type": "integer"},
        "maybe": {"type": "integer"},
        "price": {"type": "number"},
        "deep": {
            "type": "object",
            "properties": {"word": {"type": "string"}, "may": {"type": "boolean"}},
            "required": ["word"],
        },
        "either": {"type": ["string", "integer"]},
        "open": {},
    },
    "required": ["sure", "deep"],
}
ADA = principal("ada", groups=["staff"])
TOOL = tool("shop___buy", SCHEMA)
CONTEXT = context_shape(input_shape(SCHEMA), ENRICHMENTS)


def policy(condition: str, effect: str = "permit") -> Policy:
    return read_policies([("p", f'@id("p") {effect} (principal, action, resource) {condition};')])[
        0
    ]


def left_of(condition: str) -> list[Any] | None:
    """What is left of the conditions; None where the policy cannot matter."""
    left = deciding([policy(condition)], CONTEXT)
    return list(left[0].conditions) if left else None


def conditions_of(condition: str) -> list[Any]:
    return list(policy(condition).est["conditions"])


@pytest.mark.parametrize(
    "condition",
    [
        "when { context.input has none }",
        "when { context.input has none && context.input.none > 1 }",
        "when { context.input has sure && context.input has none && context.input.none > 1 }",
        "when { context.input.sure > 5 && context.input has none }",
        'when { principal in Callgate::Group::"staff" } when { context.input has none }',
        'when { context.input.deep.word like "a*" && context.input.deep has none }',
        "when { [1, 2].contains(context.input.sure) && context.enriched.risk has none }",
        'when { context.input has price && context.input.price.lessThan(decimal("1.5"))'
        " && context.input has none }",
    ],
)
def test_a_policy_that_asks_for_what_the_tool_cannot_have_does_not_matter(condition: str) -> None:
    assert left_of(condition) is None


@pytest.mark.parametrize(
    "condition",
    [
        "when { context.input.sure + 1 > 5 && context.input has none }",  # may overflow
        "when { context.input.sure * 2 > 5 } when { context.input has none }",
        "when { ip(context.input.deep.word).isIpv4() && context.input has none }",
        'when { Callgate::Group::"x".none == 1 && context.input has none }',
        "when { context.input has none || context.input.sure > 5 }",
        "when { !(context.input has none) }",
        "unless { context.input has none }",
        "when { context.input has maybe && context.input.maybe > 1 }",
        "when { context.input has open && context.input.open has json }",
        "when { context.input has either && context.input.either has array }",
        "when { context.enriched.risk has score }",
        "",
    ],
)
def test_one_that_may_be_satisfied_or_may_fail_is_left_as_it_is(condition: str) -> None:
    assert left_of(condition) == conditions_of(condition)


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("when { context.input has sure && context.input.sure > 1 }", "when { context.input.sure > 1 }"),
        ("when { context has input }", ""),
        ("when { context.input.deep has word } when { context.input.sure > 1 }", "when { context.input.sure > 1 }"),
        (
            "when { context.input.sure > 1 && (context.input has deep && context.input has maybe) }",
            "when { context.input.sure > 1 && context.input has maybe }",
        ),
    ],
)  # fmt: skip
def test_what_is_always_there_is_not_asked_for(condition: str, left: str) -> None:
    assert left_of(condition) == conditions_of(left)


def test_what_is_no_longer_read_is_no_longer_shown() -> None:
    (one,) = deciding(
        [policy("when { context.input has sure && context.input has maybe }")], CONTEXT
    )

    assert one.chains == {("input", "maybe")}


def test_policies_of_which_the_same_is_left_have_the_same_key() -> None:
    condition = policy("when { context.input has sure && context.input.sure > 1 }")
    other = context_shape(input_shape({**SCHEMA, "required": ["deep"]}), ENRICHMENTS)

    (first,), (second,), (third,) = (
        deciding([condition], context) for context in (CONTEXT, CONTEXT, other)
    )

    assert first.key == second.key != third.key


# Conjuncts that type-check for the tool, each with what it needs; some can fail.
CONJUNCT = st.sampled_from(
    [
        "context.input.sure > 3",
        "context.input.sure + 9223372036854775807 > 0",
        "context.input has sure",
        "(if context.input has maybe then context.input.maybe else 0) > 1",
        "{a: context.input.sure}.a == 4",
        "[context.input.sure, 4].contains(4)",
        "-context.input.sure < 0",
        "context.input has none",
        "context.input has maybe && context.input.maybe < 3",
        "context.input has maybe && context.input.maybe * 9223372036854775807 > 3",
        'context.input.deep.word like "a*"',
        'context.input.deep.word == "b" || context.input has none',
        "context.input.deep has word",
        "context.input.deep has may && context.input.deep.may",
        "context.input.deep has none",
        "(context.input has deep && context.input has price)",
        "!(context.input has none)",
        'context.input has price && context.input.price.greaterThan(decimal("1.5"))',
        "context.enriched.risk has score && context.enriched.risk.score > 1",
        "context.enriched.risk has none",
        "context.enriched has risk && context.enriched.risk has level",
        'principal in Callgate::Group::"staff"',
        'principal in Callgate::Group::"none"',
        "principal has tenant",
        "context.input has either && context.input.either has string",
    ]
)
CONDITION = st.tuples(st.sampled_from(["when", "when", "unless"]), nested(CONJUNCT)).map(
    lambda parts: f"{parts[0]} {{ {parts[1]} }}"
)
POLICY = st.tuples(st.sampled_from(["permit", "forbid"]), st.lists(CONDITION, max_size=2)).map(
    lambda parts: f"{parts[0]} (principal, action, resource) {' '.join(parts[1])};"
)
ARGUMENTS = st.fixed_dictionaries(
    {
        "sure": st.sampled_from([0, 4, 2**62]),
        "deep": st.fixed_dictionaries(
            {"word": st.sampled_from(["a1", "b"])}, optional={"may": st.booleans()}
        ),
    },
    optional={
        "maybe": st.sampled_from([-1, 1, 5]),
        "price": st.sampled_from([1, 1.75]),
        "either": st.sampled_from(["x", 1]),
        "none": st.just(1),
    },
)
RISK = st.fixed_dictionaries({}, optional={"score": st.integers(0, 3), "level": st.just("high")})


@settings(max_examples=300, deadline=None)
@given(st.lists(POLICY, min_size=1, max_size=6), ARGUMENTS, RISK)
def test_a_decision_rests_on_what_all_policies_say(
    texts: list[str], arguments: dict[str, Json], risk: dict[str, Json]
) -> None:
    policies = read_policies([("p", "\n".join(texts))])
    question = Question(
        principal=ADA, tool=TOOL, arguments=arguments, enriched={"risk": risk}, now=NOW
    )

    verdict = Engine(policies, NAMES, ENRICHMENTS).authorize(question)

    answer = asked_of_all(policies, question)
    has_permit = any(one.effect == "permit" for one in policies)
    assert verdict.is_permitted == (answer.decision == "Allow" and not answer.failed)
    assert frozenset(verdict.policies) == (answer.reasons if has_permit else frozenset())
    assert len(verdict.errors) == (len(answer.failed) if has_permit else 0)


def asked_of_all(policies: tuple[Policy, ...], question: Question) -> Answer:
    """Cedar's answer by whole policies, on the whole context."""
    context = build(CONTEXT, input_shape(SCHEMA), question.arguments, question.enriched, NOW)
    document = cedar_schema(NAMES, [(TOOL, CONTEXT)])
    schema = cedarpy.Schema.from_json_str(encode(document).decode())
    facts = facts_of(question.principal, NAMES)
    request = {
        "principal": facts.request_principal,
        "action": {"type": "Callgate::Action", "id": TOOL.qualified_name},
        "resource": NAMES.uid(NAMES.GATEWAY, NAMES.gateway),
        "context": encode(context).decode(),
    }
    entities = cedarpy.Entities.from_json_str(facts.entities, schema)._inner
    return answer_of(_internal.is_authorized(request, parsed(policies), entities, schema, False))


class Careless(Plans):
    """Finds a policy in scope that is not."""

    policies: tuple[Policy, ...] = ()

    def meet(self, known: Any, action: Any) -> Any:
        """All policies, whatever their scopes."""
        return self._met(tuple(self.policies))


@pytest.mark.parametrize(
    "scope",
    ['principal in Callgate::Group::"none", action', "principal is Callgate::IamEntity, action"],
)
def test_where_cedar_does_not_find_a_policy_in_scope_nothing_is_permitted(scope: str) -> None:
    text = f"permit (principal, action, resource); permit ({scope}, resource);"
    engine = Engine(read_policies([("p", text)]), NAMES)
    question = asked_by(ADA, TOOL)
    assert engine.authorize(question).is_permitted

    engine = Engine(read_policies([("p", text)]), NAMES)
    plans = Careless(engine.policies, NAMES, engine.tooling)
    plans.policies = engine.policies
    engine._plans = plans

    verdict = engine.authorize(question)
    assert not verdict.is_permitted
    assert "do not agree on the scopes" in verdict.reason


def asked_by(who: Principal, at: Tool) -> Question:
    arguments: dict[str, Json] = {"sure": 1, "deep": {"word": "a"}}
    return Question(principal=who, tool=at, arguments=arguments, enriched={}, now=NOW)
