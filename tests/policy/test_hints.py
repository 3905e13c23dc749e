"""What is said of a tool's arguments holds of every call: what does not fit it is refused."""

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings

from callgate.policy.engine import Engine, Question
from callgate.policy.hints import Narrowing
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.validators import compile_schema
from fakes.calls import a_principal, a_tool
from fakes.conditions import Subject, subjects

ADA = a_principal("ada", "agents", claims={"level": 3})


def engine(*texts: str, **more: Any) -> Engine:
    return Engine(read_policies((f"p{i}", text) for i, text in enumerate(texts)), Names(), **more)


def is_permitted(of: Engine, tool: Any, arguments: dict[str, Any]) -> bool:
    question = Question(principal=ADA, tool=tool, arguments=arguments, enriched={}, now=0.0)
    return of.authorize(question).is_permitted


def fits(schema: dict[str, Any], arguments: dict[str, Any]) -> bool:
    return jsonschema_rs.validator_for(schema).is_valid(arguments)


@settings(max_examples=250, deadline=None)
@given(subjects())
def test_what_does_not_fit_is_refused_and_where_it_is_exact_all_that_fits_is_permitted(
    subject: Subject,
) -> None:
    of = engine(subject.text)
    narrowing = of.narrowing(ADA, subject.tool, 0.0)
    if narrowing is None:
        return

    for arguments in subject.calls():
        assert compile_schema(subject.tool.input_schema).validator.is_valid(arguments)
        permitted = is_permitted(of, subject.tool, arguments)
        does_fit = fits(narrowing.schema, arguments)
        assert does_fit or not permitted, (narrowing, arguments)
        if narrowing.is_exact:
            assert permitted or not does_fit, (narrowing, arguments)


PAGE = Path(__file__).parents[2] / "docs" / "policy-listing.md"
TOOL = a_tool(
    schema={
        "type": "object",
        "properties": {
            "amount": {"type": "integer", "minimum": 0},
            "price": {"type": "number"},
            "kind": {"type": "string", "enum": ["a", "b", "c"]},
            "reason": {"type": "string"},
            "comment": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "sure": {"type": "boolean"},
            "ship": {
                "type": "object",
                "properties": {"days": {"type": "integer"}, "fast": {"type": "boolean"}},
                "required": ["days"],
            },
            "free": {},
        },
        "required": ["amount"],
    }
)
HAS = {name: f"context.input has {name}" for name in TOOL.input_schema["properties"]}


def narrowed_by(condition: str, *more: str) -> Narrowing | None:
    permit = f"permit(principal, action, resource) when {{ {condition} }};"
    return engine(permit, *more).narrowing(ADA, TOOL, 0.0)


def says(properties: dict[str, Any], *required: str, is_exact: bool = True) -> Narrowing:
    schema: dict[str, Any] = {"properties": properties} if properties else {}
    if required:
        schema["required"] = list(required)
    return Narrowing(schema=schema, is_exact=is_exact)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("true", says({})),
        ("context.input.amount < 1000", says({"amount": {"maximum": 999}})),
        ("context.input.amount > 5 && context.input.amount <= 9", says({"amount": {"minimum": 6, "maximum": 9}})),
        ("context.input.amount != 13", says({"amount": {"not": {"enum": [13]}}})),
        ("[1, 2, 5].contains(context.input.amount)", says({"amount": {"enum": [1, 2, 5]}})),
        ("context.input.amount < -1 || context.input.amount >= 0", says({})),  # as its schema has it
        ("context.input.amount < 5 || context.input.amount > 9", says({}, is_exact=False)),
        (
            f'{HAS["price"]} && context.input.price.lessThan(decimal("9.0")) && context.input.price.greaterThan(decimal("0.5"))',
            says({"price": {"exclusiveMinimum": 0.5, "exclusiveMaximum": 9}}, "price"),
        ),
        (
            f'!({HAS["price"]}) || context.input.price.lessThanOrEqual(decimal("9.25"))',
            None,  # nobody asked whether it is there: the policy does not fit
        ),
        (
            f'!({HAS["price"]} && context.input.price.greaterThan(decimal("9.25")))',
            says({"price": {"maximum": 9.25}}),
        ),
        (f'{HAS["kind"]} && context.input.kind != "b"', says({"kind": {"enum": ["a", "c"]}}, "kind")),
        (f'{HAS["reason"]} && context.input.reason like "R-*"', says({"reason": {"pattern": "^R-"}}, "reason")),
        (
            f'!({HAS["reason"]} && (context.input.reason like "*te.st*" || context.input.reason == "no"))',
            says({"reason": {"not": {"anyOf": [{"enum": ["no"]}, {"pattern": "^[\\s\\S]*te\\.st"}]}}}),
        ),
        (
            f'!({HAS["reason"]} && context.input.reason like "a*" && context.input.reason != "ab")',
            says({}, is_exact=False),  # to miss the pattern would be too much
        ),
        (f'!({HAS["reason"]})', says({"reason": {"not": {}}})),
        (f'!({HAS["comment"]})', says({"comment": {"type": "null"}})),
        (HAS["comment"], says({"comment": {"type": "string"}}, "comment")),
        (f'!({HAS["comment"]} && context.input.comment != "ok")', says({"comment": {"enum": ["ok", None]}})),
        (f'{HAS["sure"]} && context.input.sure', says({"sure": {"enum": [True]}}, "sure")),
        (f'{HAS["tags"]} && context.input.tags.contains("x")', says({"tags": {"contains": {"const": "x"}}}, "tags")),
        (
            f'!({HAS["tags"]} && context.input.tags.containsAny(["x", "y"]))',
            says({"tags": {"items": {"not": {"enum": ["x", "y"]}}}}),
        ),
        (f'{HAS["tags"]} && !context.input.tags.isEmpty()', says({"tags": {"minItems": 1}}, "tags")),
        (
            f'!({HAS["ship"]} && context.input.ship.days > 3)',
            says({"ship": {"properties": {"days": {"maximum": 3}}}}),
        ),
        (
            f'{HAS["ship"]} && context.input.ship has fast && context.input.ship.fast',
            says({"ship": {"properties": {"fast": {"enum": [True]}}, "required": ["fast"]}}, "ship"),
        ),
        (f'{HAS["free"]} && context.input.free.json like "*x*"', says({}, "free", is_exact=False)),
        # Together more than each by itself: what is said of each holds, and is not all.
        (
            f'context.input.amount < 10 || ({HAS["sure"]} && context.input.sure && context.input.amount < 100)',
            says({"amount": {"maximum": 99}}, is_exact=False),
        ),
        ("context.input.amount + 1 < 10 && context.input.amount < 50", says({"amount": {"maximum": 49}}, is_exact=False)),
        ("context.input.amount < 0", None),
        ("principal.id == \"ada\" && context.input.amount < 5", says({"amount": {"maximum": 4}})),
    ],
)  # fmt: skip
def test_what_conditions_leave_is_said_of_each_argument(
    condition: str, expected: Narrowing | None
) -> None:
    assert narrowed_by(condition) == expected


def test_forbids_narrow_and_other_permits_widen() -> None:
    forbid = "forbid(principal, action, resource) when { context.input.amount > 50 };"
    permit = "permit(principal, action, resource) when { context.input.amount < 200 };"

    assert narrowed_by("context.input.amount < 100", forbid) == says({"amount": {"maximum": 50}})
    assert narrowed_by("context.input.amount < 100", permit) == says({"amount": {"maximum": 199}})


def test_what_fails_is_not_promised() -> None:
    failing = (
        "forbid(principal, action, resource) when { context.input.amount >= 3 && "
        "context.input.amount <= 5 && 9223372036854775807 + 1 > 0 };"
    )

    assert narrowed_by("true", failing) == says({}, is_exact=False)


def test_facts_made_of_arguments_are_not_promised() -> None:
    length = "context.derived has reason && context.derived.reason.length"

    assert narrowed_by(f"!({length} > 5) || ({length} > 4)") == says({}, is_exact=False)


def test_facts_of_interceptors_are_not_promised() -> None:
    text = "permit(principal, action, resource) when { context.enriched.risk has low && context.enriched.risk.low && context.input.amount < 5 };"
    of = Engine(read_policies([("p", text)]), Names(), {"risk": {"low": "boolean"}})

    assert of.narrowing(ADA, TOOL, 0.0) == says({"amount": {"maximum": 4}}, is_exact=False)


def test_hints_follow_principal_and_time() -> None:
    text = (
        'permit(principal, action, resource) when { principal in Callgate::Group::"agents" && '
        'context.system.now < datetime("1970-01-02") && context.input.amount < 5 };'
        "permit(principal, action, resource) when { context.input.amount < 2 };"
    )
    of = engine(text)
    bounds = [
        (of.narrowing(principal, TOOL, now) or says({})).schema["properties"]["amount"]["maximum"]
        for principal, now in ((ADA, 0.0), (ADA, 200_000.0), (a_principal("eve"), 0.0), (ADA, 0.0))
    ]

    assert bounds == [4, 1, 1, 4]


def test_where_too_much_would_have_to_be_said_nothing_is() -> None:
    numbers = ", ".join(map(str, range(0, 200, 2)))

    assert narrowed_by(f"[{numbers}].contains(context.input.amount)") == says({}, is_exact=False)


def test_the_example_of_the_documentation_is_what_the_engine_says() -> None:
    text = PAGE.read_text("utf-8")
    policy = text.split("```cedar\n")[1].split("```")[0]
    shown = json.loads(text.split("```json\n")[1].split("```")[0])
    told = shown["_meta"]["callgate/permitted"]

    narrowing = engine(policy).narrowing(a_principal("ada", "support"), TOOL, 0.0)

    assert narrowing == Narrowing(schema=told["schema"], is_exact=told["exact"])
