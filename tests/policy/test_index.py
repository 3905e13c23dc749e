"""Asking only the policies in scope gives the answer of asking all of them."""

from typing import Any

import cedarpy
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.policy.context import build
from callgate.policy.engine import Engine, Question
from callgate.policy.entities import facts_of
from callgate.policy.names import Names
from callgate.policy.schema import cedar_schema, context_shape, input_shape
from callgate.policy.source import Policy, read_policies
from fakes.calls import a_principal, a_tool

NAMES = Names()
TOOLS = [a_tool("shop", "refund"), a_tool("shop", "lookup"), a_tool("git", "log")]
PRINCIPALS = [
    a_principal("ada", "agents"),
    a_principal("eve", "agents", "admins"),
    a_principal("bob"),
    a_principal("ada", kind="anonymous"),
]

PRINCIPAL = st.sampled_from(
    [
        "principal",
        'principal == Callgate::OAuthUser::"ada"',
        'principal in Callgate::Group::"agents"',
        'principal in Callgate::OAuthUser::"eve"',
        "principal is Callgate::OAuthUser",
        "principal is Callgate::UnauthenticatedUser",
        'principal is Callgate::OAuthUser in Callgate::Group::"admins"',
    ]
)
ACTION = st.sampled_from(
    [
        "action",
        'action == Callgate::Action::"shop___refund"',
        'action in Callgate::Action::"shop"',
        'action in [Callgate::Action::"git___log", Callgate::Action::"shop___lookup"]',
        'action in Callgate::Action::"CallTool"',
        'action == Callgate::Action::"shop"',
        'action in Callgate::Action::"other"',
    ]
)
RESOURCE = st.sampled_from(
    [
        "resource",
        'resource == Callgate::Gateway::"main"',
        'resource == Callgate::Gateway::"other"',
        "resource is Callgate::Gateway",
    ]
)
CONDITION = st.sampled_from(
    [
        "",
        "when { context.input.amount < 10 }",
        "when { context.input.amount * 9223372036854775807 > 0 }",
        'unless { context.input has note && context.input.note like "a*" }',
        'when { principal has tenant && principal.tenant == "x" }',
        'when { context.meta.extra.contains("z") }',
    ]
)
POLICY = st.tuples(st.sampled_from(["permit", "forbid"]), PRINCIPAL, ACTION, RESOURCE, CONDITION)
ARGUMENTS = st.fixed_dictionaries(
    {"customer": st.just("c"), "amount": st.integers(0, 20)},
    optional={"note": st.sampled_from(["a", "b"]), "z": st.just(1)},
)


def whole(policies: tuple[Policy, ...], question: Question) -> tuple[bool, set[str], int]:
    """The same question to Cedar with every policy and the uncut context."""
    arguments = input_shape(question.tool.input_schema)
    shape = context_shape(arguments, {})
    contexts = [(tool, context_shape(input_shape(tool.input_schema), {})) for tool in TOOLS]
    schema = cedarpy.Schema.from_json_str(
        msgspec.json.encode(cedar_schema(NAMES, contexts, ("other",))).decode()
    )
    facts = facts_of(question.principal, NAMES)
    context = build(shape, arguments, question.arguments, {}, question.now)
    document = {
        "staticPolicies": {policy.id: policy.est for policy in policies},
        "templates": {},
        "templateLinks": [],
    }
    answer = cedarpy.is_authorized(
        {
            "principal": facts.request_principal,
            "action": {"type": "Callgate::Action", "id": question.tool.qualified_name},
            "resource": NAMES.uid(NAMES.GATEWAY, "main"),
            "context": msgspec.json.encode(context).decode(),
        },
        cedarpy.PolicySet.from_json_str(msgspec.json.encode(document).decode()),
        cedarpy.Entities.from_json_str(facts.entities, schema),
        schema,
    )
    errors = len(answer.diagnostics.errors)
    permitted = answer.decision is cedarpy.Decision.Allow and not errors
    return permitted, set(answer.diagnostics.reasons), errors


@settings(max_examples=150, deadline=None)
@given(
    st.lists(POLICY, max_size=8),
    st.sampled_from(PRINCIPALS),
    st.sampled_from(TOOLS),
    ARGUMENTS,
)
def test_the_sliced_verdict_is_the_full_verdict(
    parts: list[tuple[str, ...]], principal: Any, tool: Any, arguments: dict[str, Any]
) -> None:
    text = "\n".join(f"{effect}({p}, {a}, {r}) {c};" for effect, p, a, r, c in parts)
    policies = read_policies([("p", text)])
    question = Question(principal=principal, tool=tool, arguments=arguments, enriched={}, now=0.0)
    engine = Engine(policies, NAMES)

    verdict = engine.authorize(question)
    again = engine.authorize(question)

    permitted, reasons, errors = whole(policies, question)
    assert verdict == again
    assert verdict.is_permitted == permitted
    if permitted:
        assert set(verdict.policies) == reasons
        assert engine.is_listed(principal, tool, 0.0)
        assert engine.may_permit(principal, tool).is_permitted
    if verdict.errors:
        assert len(verdict.errors) == errors
