"""The unknowns of a request: what holds of each, and how they belong together."""

from typing import Any

from callgate.policy.analysis.expressions import Expressions
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.symbols import Symbols, said
from callgate.policy.analysis.terms import Truth, conj, disj, negation
from callgate.policy.analysis.values import Scalar
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_tool

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 10},
        "note": {"type": "string"},
        "any": {},
        "either": {"type": ["integer", "string"]},
        "list": {"type": "array", "items": {"type": "string"}, "minItems": 1},
        "a.b": {"type": "integer"},
        "a": {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]},
        "free": {"type": ["object", "null"]},
        "impossible": {"type": "integer", "minimum": 5, "maximum": 4},
        "never": {
            "type": "object",
            "properties": {"x": {"type": "integer", "minimum": 5, "maximum": 4}},
            "required": ["x"],
        },
    },
    "required": ["amount", "list", "a.b", "a"],
    "additionalProperties": False,
}


class Asking:
    """Conditions over one unknown request, and whether they can hold together."""

    def __init__(self, **more: Any) -> None:
        self.symbols = Symbols(a_tool(schema=SCHEMA), Names(), {}, **more)
        self._expressions = Expressions(self.symbols)

    def truth(self, condition: str) -> Truth:
        text = f"permit(principal, action, resource) when {{ {condition} }};"
        (policy,) = read_policies([("a.cedar", text)])
        value, error = self._expressions.outcome(policy.est["conditions"][0]["body"])
        assert isinstance(value, Scalar)
        return conj(value.term, negation(error))

    def answers(self, *conditions: str) -> Answer:
        truths = [self.truth(condition) for condition in conditions]
        return Solver(self.symbols.settled(), 5.0).ask(truths)


def test_arguments_keep_what_the_input_schema_says() -> None:
    assert Asking().answers("context.input.amount < 10") is Answer.NO
    assert Asking().answers("context.input.amount == 10") is Answer.YES
    assert Asking().answers("context.input.list.isEmpty()") is Answer.NO
    assert Asking().answers('context.meta.extra.contains("amount")') is Answer.NO


def test_names_with_dots_are_not_mixed_up() -> None:
    assert Asking().answers('context.input["a.b"] == 1', "context.input.a.b == 2") is Answer.YES


def test_a_union_has_exactly_one_alternative() -> None:
    both = "context.input.either has integer", "context.input.either has string"

    assert Asking().answers("context.input has either", *both) is Answer.NO
    asking = Asking()
    found = [asking.truth(f"context.input has either && {one}") for one in both]
    there = asking.truth("context.input has either")
    solver = Solver(asking.symbols.settled(), 5.0)
    assert solver.ask([there, negation(disj(*found))]) is Answer.NO


def test_json_text_begins_as_its_kind_demands() -> None:
    is_object = 'context.input has any && context.input.any.kind == "object"'

    assert Asking().answers(is_object, 'context.input.any.json like "[*"') is Answer.NO
    assert Asking().answers(is_object, 'context.input.any.json like "{*secret*"') is Answer.YES


def test_the_time_is_not_before_the_earliest() -> None:
    old = 'context.system.now < datetime("2020-01-01")'

    assert Asking().answers(old) is Answer.YES
    assert Asking(since=1_790_000_000.0).answers(old) is Answer.NO


def test_what_is_null_is_not_there() -> None:
    is_null = 'context.meta.nulls.contains("note")'

    assert Asking().answers(is_null, "context.input has note") is Answer.NO
    assert Asking().answers('context.meta.nulls.contains("amount")') is Answer.NO


def test_derived_facts_are_there_where_the_argument_is() -> None:
    assert Asking().answers("context.derived has note", "!(context.input has note)") is Answer.NO
    long = "context.derived has note && context.derived.note.length > 3"
    assert (
        Asking().answers(long, 'context.input has note && context.input.note == "ab"') is Answer.NO
    )
    assert Asking().answers(long, 'context.input.note like "ab*"') is Answer.YES


def test_a_claim_is_one_however_it_is_named() -> None:
    named = 'principal.hasTag("note") && principal.getTag("note") == "x"'
    by_argument = (
        "context.input has note && principal.hasTag(context.input.note) && "
        'principal.getTag(context.input.note) == "y"'
    )

    assert Asking().answers(named, by_argument) is Answer.YES
    assert Asking().answers(named, by_argument, 'context.input.note == "note"') is Answer.NO


def test_a_principal_has_one_type() -> None:
    one, other = (f"principal is Callgate::{name}" for name in ("OAuthUser", "UnauthenticatedUser"))

    assert Asking().answers(one, other) is Answer.NO
    assert Asking().answers(f"!({one})", f"!({other})") is Answer.NO


def test_a_path_is_said_as_policies_write_it() -> None:
    assert said(("input", "amount")) == "context.input.amount"


def test_an_argument_that_allows_no_value_is_never_there_and_harms_nothing_else() -> None:
    impossible = "context.input has impossible && context.input.impossible > 0"
    never = "context.input has never && context.input.never.x > 0"

    assert Asking().answers(impossible) is Answer.NO
    assert Asking().answers(never) is Answer.NO
    for one in (impossible, never):
        assert Asking().answers(f"!({one})", "context.input.amount == 10") is Answer.YES
