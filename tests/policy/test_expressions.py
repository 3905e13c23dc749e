"""Walks over expressions see everything, however deep it lies."""

from typing import Any

from callgate.policy.expressions import conjuncts, depth_of, entities_in, reads_variable

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
