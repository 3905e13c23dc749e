"""Walks over expressions see everything, however deep it lies."""

from typing import Any

import cedarpy
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.model import Json
from callgate.policy.expressions import (
    Expression,
    conjuncts,
    depth_of,
    entities_in,
    halved,
    operands_of,
    reads_variable,
)
from callgate.policy.preview import documented
from callgate.policy.source import read_policies

CONTEXT = {".": {"left": {"Var": "context"}, "attr": "a"}}


def test_depth_counts_the_deepest_way_down() -> None:
    assert depth_of({"Var": "context"}) == 1
    assert depth_of({"&&": {"left": CONTEXT, "right": {"Value": True}}}) == 3
    assert depth_of({"Set": [{"Value": 1}, {"Record": {"x": CONTEXT}}]}) == 4


def test_depth_beyond_the_stack_of_python_is_measured_too() -> None:
    expression: dict[str, Any] = {"Value": True}
    for _ in range(50_000):
        expression = {"!": {"arg": expression}}

    assert depth_of(expression) == 50_001
    assert not reads_variable(expression, "principal")


def test_entities_are_found_in_scopes_and_conditions() -> None:
    found = {
        "op": "in",
        "entities": [{"__entity": {"type": "A", "id": "1"}}],
        "body": {"Value": {"__entity": {"type": "B", "id": "2"}}},
    }

    assert sorted(entities_in(found)) == [("A", "1"), ("B", "2")]


def test_conjuncts_are_cut_from_the_right_as_often_as_asked() -> None:
    a, b, c = ({"Value": letter} for letter in "abc")
    both = {"&&": {"left": {"&&": {"left": a, "right": b}}, "right": c}}

    assert conjuncts(both, 3) == [a, b, c]
    assert conjuncts(both, 2) == [{"&&": {"left": a, "right": b}}, c]
    assert conjuncts(both, 1) == [both]


TERMS = st.recursive(
    st.sampled_from(
        [
            *("true", "false", "principal == context.other", "context.n < 2", "context.none"),
            *("context.s", 'context.s like "a*b"', "context has none", "context.n + 1 == 2"),
            *("[1, context.n].contains(2)", "{a: context.n}.a == 1", 'principal is A::B in C::"d"'),
            *("context has none && context.none", 'ip("10.0.0.1").isInRange(ip(context.s))'),
        ]
    ),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("(if {} then {} else {})".format, inner, inner, inner),
        st.lists(inner, min_size=2, max_size=9).map(lambda terms: f"({' || '.join(terms)})"),
        st.lists(inner, min_size=2, max_size=9).map(lambda terms: f"({' && '.join(terms)})"),
    ),
    max_leaves=25,
)


def body_of(condition: str) -> Expression:
    (policy,) = read_policies(
        [("p", f"permit (principal, action, resource) when {{{condition}}};")]
    )
    body: Expression = policy.est["conditions"][0]["body"]
    return body


def answer(body: Expression, context: Json) -> Any:
    scope = {name: {"op": "All"} for name in ("principal", "action", "resource")}
    condition = {"kind": "when", "body": body}
    handle = documented({"p": {"effect": "permit", **scope, "conditions": [condition]}})
    request = {"principal": 'A::B::"a"', "action": 'Action::"a"', "resource": 'R::"r"'}
    answered = cedarpy.is_authorized({**request, "context": context}, handle, [])
    return answered.decision, [str(error) for error in answered.diagnostics.errors]


def terms_of(operator: str, expression: Expression) -> list[Expression]:
    if operator not in expression:
        return [expression]
    return [term for one in operands_of(expression) for term in terms_of(operator, one)]


@given(TERMS, st.integers(0, 2), st.sampled_from(["a", "axb", "10.0.0.1"]))
@settings(max_examples=200)
def test_halved_rows_have_the_same_value_and_the_same_error(
    condition: str, number: int, text: str
) -> None:
    body = body_of(condition)

    assert answer(halved(body), {"n": number, "s": text}) == answer(body, {"n": number, "s": text})


@given(TERMS)
def test_halving_keeps_every_term_in_its_place(condition: str) -> None:
    body = body_of(condition)
    operator = next(iter(body))
    terms = terms_of(operator, body) if operator in ("&&", "||") else [body]

    made = halved(body)

    assert halved(made) == made
    if operator in ("&&", "||"):
        assert terms_of(operator, made) == [halved(term) for term in terms]


def test_a_row_beyond_the_stack_of_python_is_halved() -> None:
    row: Expression = {"Value": 0}
    for number in range(1, 5000):
        row = {"||": {"left": row, "right": {"Value": number}}}

    made = halved(row)

    assert depth_of(made) == 14
    assert msgspec.json.encode(terms_of("||", made)) == msgspec.json.encode(
        [{"Value": number} for number in range(5000)]
    )
