"""Asking only the policies in scope gives the answer of asking all of them."""

import cedarpy
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.policy.context import build
from callgate.policy.engine import Engine, Question
from callgate.policy.entities import facts_of
from callgate.policy.names import Names
from callgate.policy.schema import cedar_schema, context_shape, input_shape
from callgate.policy.source import Policy, read_policies
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal, a_tool

NAMES = Names()
TOOLS = [
    a_tool("shop", "refund"),
    a_tool("shop", "lookup"),
    a_tool("git", "log"),
    method_tool("shop", "resources/read"),
    method_tool("shop", "prompts/get"),
    method_tool("git", "prompts/get"),
    method_tool("git", "elicitation/create"),
]
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
        'action in Callgate::Action::"Mcp"',
        'action in Callgate::Action::"AskClient"',
        'action in Callgate::Action::"prompts/get"',
        'action == Callgate::Action::"prompts/get"',
        'action == Callgate::Action::"shop___resources/read"',
        'action in [Callgate::Action::"git", Callgate::Action::"elicitation/create"]',
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
        "when { context.meta.nulls.isEmpty() }",
        'when { context.input has uri && context.input.uri like "file:*" }',
        'when { context.input.name == "x" }',
        'unless { context.input has name && context.input.name == "x" }',
        'when { context.input has arguments && context.input.arguments.json like "*b*" }',
        "unless { context.input has arguments }",
        'when { context.input has name && context.input.name == "x" && !(context.input has arguments) }',
        'when { action in Callgate::Action::"Mcp" || action in Callgate::Action::"shop" }',
        'when { context.system.now < datetime("2020-01-01T00:00:00Z") }',
        'when { context.input has name && context.system.now > datetime("2020-01-01T00:00:00Z") }',
    ]
)
POLICY = st.tuples(st.sampled_from(["permit", "forbid"]), PRINCIPAL, ACTION, RESOURCE, CONDITION)
NOW = st.sampled_from([0.0, 1_790_000_000.0])
FREE = st.sampled_from([{}, {"a": "b"}])
USES = {
    "tools/call": st.fixed_dictionaries(
        {"customer": st.just("c"), "amount": st.integers(0, 20)},
        optional={"note": st.sampled_from(["a", "b"]), "z": st.just(1)},
    ),
    "resources/read": st.fixed_dictionaries({"uri": st.sampled_from(["file:a", "https://b"])}),
    "prompts/get": st.fixed_dictionaries(
        {"name": st.sampled_from(["x", "y"])}, optional={"arguments": FREE, "z": st.just(1)}
    ),
    "elicitation/create": st.fixed_dictionaries(
        {"message": st.just("?")}, optional={"requestedSchema": FREE}
    ),
}
QUESTION = st.sampled_from(TOOLS).flatmap(
    lambda tool: st.builds(
        Question,
        principal=st.sampled_from(PRINCIPALS),
        tool=st.just(tool),
        arguments=USES[tool.method],
        enriched=st.just({}),
        now=NOW,
    )
)


def whole(policies: tuple[Policy, ...], question: Question) -> tuple[bool, set[str], int]:
    """The same question to Cedar with every policy and the uncut context."""
    arguments = input_shape(question.tool.input_schema)
    shape = context_shape(arguments, {})
    contexts = [(tool, context_shape(input_shape(tool.input_schema), {})) for tool in TOOLS]
    named = {name for policy in policies for name in policy.actions}
    schema = cedarpy.Schema.from_json_str(
        msgspec.json.encode(cedar_schema(NAMES, contexts, named)).decode()
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


def policies_of(parts: list[tuple[str, ...]]) -> tuple[Policy, ...]:
    text = "\n".join(f"{effect}({p}, {a}, {r}) {c};" for effect, p, a, r, c in parts)
    return read_policies([("p", text)])


@settings(max_examples=300, deadline=None)
@given(st.lists(POLICY, max_size=8), QUESTION)
def test_the_sliced_verdict_is_the_full_verdict(
    parts: list[tuple[str, ...]], question: Question
) -> None:
    policies = policies_of(parts)
    principal, tool, now = question.principal, question.tool, question.now
    engine = Engine(policies, NAMES)

    verdict = engine.authorize(question)
    again = engine.authorize(question)

    permitted, reasons, errors = whole(policies, question)
    assert verdict == again
    assert verdict.is_permitted == permitted
    if permitted:
        assert set(verdict.policies) == reasons
        assert engine.is_listed(principal, tool, now)
        assert engine.may_permit(principal, tool).is_permitted
    if verdict.errors:
        assert len(verdict.errors) == errors


@settings(max_examples=300, deadline=None)
@given(st.lists(POLICY, max_size=5), QUESTION, st.data())
def test_nothing_that_is_permitted_is_missing_from_lists(
    parts: list[tuple[str, ...]], question: Question, data: st.DataObject
) -> None:
    principal, tool, now = question.principal, question.tool, question.now
    engine, arguments = Engine(policies_of(parts), NAMES), question.arguments
    known = {name: value for name, value in arguments.items() if data.draw(st.booleans(), name)}

    if engine.authorize(question).is_permitted:
        assert engine.is_listed(principal, tool, now)
        assert engine.could_be_used(principal, tool, known, now)
        assert not engine.is_forbidden(principal, tool, now)
    assert engine.is_usable(principal, tool, arguments, now) == (
        engine.authorize(question).is_permitted
    )


@pytest.mark.parametrize("kinds", [("anonymous", "jwt"), ("jwt", "anonymous")])
def test_members_of_one_group_but_of_two_types_do_not_share_their_policies(
    kinds: tuple[str, str],
) -> None:
    text = (
        "permit(principal, action, resource);"
        'forbid(principal is Callgate::OAuthUser in Callgate::Group::"g", action, resource);'
    )
    engine, tool = Engine(read_policies([("p", text)]), NAMES), a_tool()
    question = Question(principal=PRINCIPALS[0], tool=tool, arguments={}, enriched={}, now=0.0)

    verdicts = {
        kind: engine.authorize(replace(question, principal=a_principal("ada", "g", kind=kind)))
        for kind in kinds
    }

    assert verdicts["anonymous"].is_permitted
    assert not verdicts["jwt"].is_permitted
