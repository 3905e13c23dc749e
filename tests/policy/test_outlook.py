"""A tool is in a list just where some arguments are permitted; where in doubt, it is there."""

from itertools import product
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.model import Principal, Tool
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.policy.validation import Validator
from fakes.calls import a_principal, a_tool
from fakes.conditions import Subject, subjects

ADA = a_principal("ada", "agents", tenant="acme", claims={"scope": "read write", "limit": "ab"})
ENRICHMENTS = {"risk": {"score": "integer"}}
DAY = 86_400.0


def engine(*texts: str, **more: Any) -> Engine:
    policies = read_policies((f"p{i}", text) for i, text in enumerate(texts))
    return Engine(policies, Names(), ENRICHMENTS, **more)


def is_permitted(
    of: Engine, tool: Tool, arguments: dict[str, Any], principal: Principal = ADA, **more: Any
) -> bool:
    settings: dict[str, Any] = {"enriched": {}, "now": 0.0, **more}
    question = Question(principal=principal, tool=tool, arguments=arguments, **settings)
    return of.authorize(question).is_permitted


@settings(max_examples=200, deadline=None)
@given(subjects())
def test_a_tool_is_listed_just_where_some_arguments_are_permitted(subject: Subject) -> None:
    of = engine(subject.text)

    found = any(is_permitted(of, subject.tool, arguments) for arguments in subject.calls())

    assert of.is_listed(ADA, subject.tool, 0.0) == found


@settings(max_examples=100, deadline=None)
@given(subjects(), st.data())
def test_known_arguments_leave_just_what_others_are_permitted_with(
    subject: Subject, data: st.DataObject
) -> None:
    of, calls = engine(subject.text), list(subject.calls())
    chosen = data.draw(st.sampled_from(calls))
    known = {name: value for name, value in chosen.items() if data.draw(st.booleans(), name)}

    found = any(
        is_permitted(of, subject.tool, arguments)
        for arguments in calls
        if all(arguments.get(name, known) == value for name, value in known.items())
    )

    assert of.could_be_used(ADA, subject.tool, known, 0.0) == found


WIDE = a_tool(
    schema={
        "type": "object",
        "properties": {
            "amount": {"type": "integer"},
            "note": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "when": {"type": ["string", "integer"]},
            "any": {},
        },
        "required": ["amount"],
    }
)
# All that conditions can say, beyond single tests of single arguments.
CONDITIONS = [
    'principal.hasTag("scope") && principal.getTag("scope") like "*write*"',
    'principal.hasTag("no") && principal.getTag("no") == "x"',
    'principal.hasTag("limit") && context.input has note && context.input.note == principal.getTag("limit")',
    'principal has tenant && principal.tenant == "acme"',
    'principal has agent && principal.agent == "bot"',
    'context.input has note && context.input.note == principal.id',
    'principal in Callgate::Group::"agents"',
    'principal in [Callgate::Group::"admins", Callgate::Group::"staff"]',
    'principal is Callgate::OAuthUser in Callgate::Group::"agents"',
    "principal is Callgate::IamEntity",
    'principal == Callgate::OAuthUser::"ada"',
    'Callgate::OAuthUser::"ada" in Callgate::Group::"agents"',
    'Callgate::OAuthUser::"ada".issuer == "https://idp"',
    'Callgate::Group::"agents" in Callgate::Group::"agents"',
    'action in Callgate::Action::"shop"',
    'action == Callgate::Action::"shop___other"',
    'resource == Callgate::Gateway::"main"',
    'context.system.now < datetime("1970-01-02")',
    'context.system.now.toTime() < duration("1h")',
    'context.system.now.offset(duration("1d")) > datetime("1970-01-02")',
    "context.enriched.risk has score && context.enriched.risk.score < 5",
    "context.input.amount + 1 < 3",
    "context.input.amount * 9223372036854775807 > 0",
    "9223372036854775807 + 1 > 0",
    '[context.input.amount, 2].contains(1)',
    '{a: context.input.amount} == {a: 1}',
    "context.input == context.input",
    'context.input has tags && context.input.tags == ["x"]',
    'context.input has tags && ["x", "y"].containsAll(context.input.tags)',
    'context.input has tags && context.input.tags.contains("x")',
    'context.derived has note && context.derived.note.length > 2',
    "context.derived.input has note && context.derived.input.note.length > 2",
    "context.derived.amount has x",
    "context.meta.extra.isEmpty()",
    'context.meta.nulls.contains("note")',
    "context.input has when && context.input.when has integer && context.input.when.integer > 2",
    "context.input has when && context.input.when has string",
    'context.input has any && context.input.any.json like "*x*"',
    'context.input has any && context.input.any.kind == "string"',
    "context.input has undeclared && context.input.undeclared == 5",
    "context.input.amount > 1",
    "context.input.amount == 0",
    'if context.input has note then context.input.note like "a*" else context.input.amount < 0',
    'ip("10.0.0.1").isInRange(ip("10.0.0.0/8"))',
    '(if principal has tenant then "a" else "b") == "a"',
    "true", "false",
]  # fmt: skip
CONDITION = st.recursive(
    st.sampled_from(CONDITIONS).map(lambda text: f"({text})"),
    lambda inner: st.one_of(
        inner.map(lambda text: f"!{text}"),
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda p: f"({' '.join(p)})"),
    ),
    max_leaves=4,
)
POLICY = st.tuples(
    st.sampled_from(["permit", "permit", "forbid"]), st.sampled_from(["when", "unless"]), CONDITION
).map(lambda parts: f"{parts[0]}(principal, action, resource) {parts[1]} {{ {parts[2]} }};")
CALLS = [
    {key: value for key, value in zip(("amount", "note", "tags", "when", "any"), values, strict=True) if value is not None}
    for values in product((-1, 0, 1, 2, 3), (None, "ab", "ada", "x", ""), (None, ["x"], ["y", "x"]), (None, 3, "s"), (None, "x", {"y": 1}))
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(POLICY, min_size=1, max_size=4),
    st.sampled_from([ADA, a_principal('e"v\\e', "staff"), a_principal("eve", kind="anonymous")]),
    st.sampled_from([0.0, 3 * DAY + 7_200.0]),
    st.lists(st.tuples(st.sampled_from(CALLS), st.sampled_from([None, 3, 7])), min_size=40, max_size=40),
)  # fmt: skip
def test_whatever_conditions_say_nothing_that_is_permitted_is_hidden_or_said_to_be_refused(
    texts: list[str],
    principal: Principal,
    now: float,
    tried: list[tuple[dict[str, Any], int | None]],
) -> None:
    of = engine("\n".join(texts))
    narrowing = of.narrowing(principal, WIDE, now)

    for arguments, score in tried:
        facts = {"risk": {"score": score}} if score is not None else {}
        permitted = is_permitted(of, WIDE, arguments, principal, now=now, enriched=facts)
        if permitted:
            assert of.is_listed(principal, WIDE, now)
            assert narrowing is not None
            assert jsonschema_rs.validator_for(narrowing.schema).is_valid(arguments)
            for name in arguments:
                assert of.could_be_used(principal, WIDE, {name: arguments[name]}, now)
        elif narrowing is not None and narrowing.is_exact:
            assert not jsonschema_rs.validator_for(narrowing.schema).is_valid(arguments)


@settings(max_examples=200, deadline=None)
@given(subjects())
def test_what_is_taken_to_fit_passes_the_validator(subject: Subject) -> None:
    check_what_fits(engine(subject.text), subject.tool, ADA)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(POLICY, min_size=1, max_size=4),
    st.sampled_from([ADA, a_principal('e"v\\e', "staff"), a_principal("eve", kind="anonymous")]),
)
def test_what_is_taken_to_fit_passes_the_validator_for_whomever_it_is_read(
    texts: list[str], principal: Principal
) -> None:
    check_what_fits(engine("\n".join(texts)), WIDE, principal)


def check_what_fits(of: Engine, tool: Tool, principal: Principal) -> None:
    plan = of._plans.plan(principal, tool)
    validator = Validator(Names())
    for residual in of._outlook.residuals(plan, 0.0):
        if residual.is_plain:
            assert not validator.invalid(tool, plan.action.context, [residual.policy])


class TestClauses:
    """One permit and its clauses, which together leave something or nothing."""

    @pytest.mark.parametrize(
        ("condition", "is_listed"),
        [
            ("context.input.amount > 5 && context.input.amount < 6", False),
            ("context.input.amount > 5 && context.input.amount < 7", True),
            ("context.input.amount < 0 || context.input.amount > 100", False),  # of its schema
            ("context.input.amount == 3 && context.input.amount != 3", False),
            ('context.input.kind == "c"', False),  # not in its enum
            ('context.input.kind != "a" && context.input.kind != "b"', False),
            ('context.input.name like "/a/*" && context.input.name like "/b/*"', False),
            ('context.input.name like "/a/*" && context.input.name like "*/b"', True),
            ('context.input.name like "/a/*" && !(context.input.name like "/a*")', False),
            ('context.input.name == "x" && context.input.name like "y*"', False),
            ("context.input has note && !(context.input has note)", False),
            ('context.input.tags.isEmpty() && context.input.tags.contains("x")', False),
            ('context.input.tags.containsAll(["x", "y"]) && !context.input.tags.contains("y")', False),
            ("context.input.flag && !context.input.flag", False),
            ('context.input.ratio.lessThan(decimal("0.5")) && context.input.ratio.greaterThan(decimal("0.4999"))', False),
            ("context.enriched.risk has score && context.enriched.risk.score < 5", True),
        ],
    )  # fmt: skip
    def test_contradictions_are_seen(self, condition: str, is_listed: bool) -> None:
        tool = a_tool(
            schema={
                "type": "object",
                "properties": {
                    "amount": {"type": "integer", "minimum": 0, "maximum": 100},
                    "kind": {"type": "string", "enum": ["a", "b"]},
                    "name": {"type": "string"},
                    "note": {"type": "string"},
                    "tags": {"type": "array", "items": {"type": "string"}},
                    "flag": {"type": "boolean"},
                    "ratio": {"type": "number"},
                },
                "required": ["amount", "kind", "name", "tags", "flag", "ratio"],
            }
        )

        of = engine(f"permit(principal, action, resource) when {{ {condition} }};")

        assert of.is_listed(ADA, tool, 0.0) is is_listed

    def test_a_forbid_takes_what_the_permit_leaves(self) -> None:
        permit = "permit(principal, action, resource) when { context.input.amount < 10 };"
        forbid = "forbid(principal, action, resource) when {{ context.input.amount < {} }};"

        assert not engine(permit, forbid.format(10)).is_listed(ADA, WIDE, 0.0)
        assert engine(permit, forbid.format(9)).is_listed(ADA, WIDE, 0.0)

    def test_a_permit_that_always_fails_refuses_what_others_permit(self) -> None:
        failing = "permit(principal, action, resource) when { 9223372036854775807 + 1 > 0 };"
        permit = "permit(principal, action, resource) when { context.input.amount < 10 };"

        assert engine(permit).is_listed(ADA, WIDE, 0.0)
        assert not engine(permit, failing).is_listed(ADA, WIDE, 0.0)


class TestNames:
    def test_tools_that_differ_in_name_alone_are_told_apart_where_a_condition_does(self) -> None:
        of = engine(
            "permit(principal, action, resource) when "
            '{ action == Callgate::Action::"shop___one" && context.input.amount < 5 };'
        )
        one, two = (a_tool("shop", name, WIDE.input_schema) for name in ("one", "two"))

        for tools in ([one, two], [two, one]):
            assert of.listed(a_principal("eve"), tools, 0.0) == ([one], False)

    @pytest.mark.parametrize("identifier", ['a"da', "a\\da", "ä", "a\nda", "\x00", "ada"])
    def test_principals_of_any_name_are_seen_through(self, identifier: str) -> None:
        text = 'permit(principal, action, resource) when { principal.id == "ada" && context.input.amount < 5 };'

        is_listed = engine(text).is_listed(a_principal(identifier), WIDE, 0.0)

        assert is_listed is (identifier == "ada")

    @pytest.mark.parametrize("name", ['x"] , principal; //', "ü", "a\\b"])
    def test_tools_of_any_name_are_seen_through(self, name: str) -> None:
        tool = a_tool("shop", name, WIDE.input_schema)
        text = "permit(principal, action, resource) when {{ action in Callgate::Action::{} && context.input.amount < 5 }};"

        assert engine(text.format('"shop"')).is_listed(ADA, tool, 0.0)
        assert not engine(text.format('"git"')).is_listed(ADA, tool, 0.0)


class TestTime:
    def test_lists_follow_the_time(self) -> None:
        of = engine(
            "permit(principal, action, resource) when "
            '{ context.system.now < datetime("1970-01-02") && context.input.amount < 5 };'
        )

        assert [of.listed(ADA, [WIDE], now) for now in (0.0, 2 * DAY, 0.0)] == [
            ([WIDE], True), ([], True), ([WIDE], True)
        ]  # fmt: skip

    def test_what_time_says_of_tools_without_a_permit_changes_nothing(self) -> None:
        of = engine('forbid(principal, action, resource) when { context.system.now < datetime("1970-01-02") };')  # fmt: skip

        assert of.listed(ADA, [WIDE], 0.0) == ([], False)


def test_who_only_observes_shows_everything() -> None:
    of = engine("forbid(principal, action, resource);", mode="observe")

    assert of.listed(ADA, [WIDE], 0.0) == ([WIDE], False)
    assert of.narrowing(ADA, WIDE, 0.0) is None


def test_shadow_policies_neither_show_nor_hide() -> None:
    permit = "permit(principal, action, resource) when { context.input.amount < 5 };"

    assert not engine('@mode("shadow")' + permit).is_listed(ADA, WIDE, 0.0)
    shadowed = engine(permit, '@mode("shadow") forbid(principal, action, resource);')
    assert shadowed.is_listed(ADA, WIDE, 0.0)
    assert shadowed.narrowing(ADA, WIDE, 0.0) == engine(permit).narrowing(ADA, WIDE, 0.0)


def test_what_was_found_out_for_one_principal_is_not_told_to_another() -> None:
    text = "permit(principal, action, resource) when {{ {} && context.input.amount < 5 }};"
    of = engine(text.format('principal.hasTag("scope")'))
    others = [a_principal("ada", "agents"), ADA, a_principal("eve", claims={"scope": "x"})]

    assert [of.is_listed(one, WIDE, 0.0) for one in (*others, *others)] == [False, True, True] * 2


@pytest.mark.parametrize(
    "condition",
    [
        'Callgate::OAuthUser::"ada".issuer == "https://idp"',
        'Callgate::OAuthUser::"ada" in Callgate::Group::"agents"',
    ],
)
def test_a_principal_named_in_a_condition_is_only_there_when_it_calls(condition: str) -> None:
    of = engine(f"permit(principal, action, resource) when {{ {condition} && context.input.amount < 5 }};")  # fmt: skip
    ada, eve = a_principal("ada", "agents"), a_principal("eve", "agents")

    for principal in (eve, ada, eve):
        permitted = is_permitted(of, WIDE, {"amount": 1}, principal)
        assert permitted is (principal is ada)
        assert of.is_listed(principal, WIDE, 0.0) is permitted


def test_tools_that_differ_where_a_policy_reads_are_not_taken_for_each_other() -> None:
    of = engine("permit(principal, action, resource) when { context.input has amount && context.input.amount > 50 };")  # fmt: skip
    small, large, none = (
        a_tool("shop", name, {"properties": properties})
        for name, properties in {
            "small": {"amount": {"type": "integer", "maximum": 50}},
            "large": {"amount": {"type": "integer", "maximum": 51}},
            "none": {},
        }.items()
    )

    assert of.listed(ADA, [small, large, none], 0.0) == ([large], False)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.policy.outlook.MAX_REMEMBERED", 4)
    monkeypatch.setattr("callgate.policy.outlook.MAX_PROBES", 4)
    monkeypatch.setattr("callgate.policy.plans.MAX_SHOWN", 4)
    monkeypatch.setattr("callgate.policy.plans.MAX_CHOICES", 4)
    texts = [
        "permit(principal, action, resource) when "
        f'{{ context.input.amount < {n} && context.system.now < datetime("1970-01-0{n}") }};'
        for n in range(1, 9)
    ]
    of = engine(*texts, "permit(principal, action, resource) when { context.input.amount < 5 };")

    for number in range(20):
        schema = {"properties": {"amount": {"type": "integer", "minimum": number}}, "required": ["amount"]}  # fmt: skip
        tool = a_tool("shop", f"t{number}", schema)
        assert of.is_listed(ADA, tool, 0.0) is (number < 8)

    outlook, plans = of._outlook, of._plans
    assert max(len(outlook._views), len(outlook._found), len(outlook._probes)) <= 13
    assert plans._shown_count <= 4 and len(plans._choices) <= 4
