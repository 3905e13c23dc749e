"""Values worth a try lie on both sides of what policies compare with."""

from typing import Any

import pytest

from callgate.policy.candidates import ABSENT, Said, atoms, chains_in, spots_of, values_at
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.source import read_policies

SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer"},
        "price": {"type": "number"},
        "to": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "is_final": {"type": "boolean"},
        "card": {"type": "object", "properties": {"number": {"type": "string"}}},
    },
}
CONTEXT = context_shape(input_shape(SCHEMA), {"risk": {"score": "integer"}})


def conditions(text: str) -> list[dict[str, Any]]:
    (policy,) = read_policies(
        [("p.cedar", f"permit(principal, action, resource) when {{{text}}};")]
    )
    return list(atoms([one["body"] for one in policy.est["conditions"]]))


def tried(text: str, value: Any) -> list[Any]:
    (atom,) = conditions(text)
    said = Said()
    said.read(atom)
    (chain,) = chains_in(atom)
    (spot,) = spots_of(CONTEXT, chain)
    return values_at(spot, value, said)


def test_a_condition_is_taken_apart_into_its_tests() -> None:
    found = conditions("context.input.amount < 5 && !(context.input.is_final || true)")

    assert [next(iter(one)) for one in found] == ["Value", ".", "<"]


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("context.input.amount < 100", 480, {99, 100, 101}),
        ("context.input.price.lessThan(decimal(\"1.5\"))", 2, {1.5, 1.4999, 1.5001}),
        ("context.input.to == \"ops\"", "dev", {"ops", "devx"}),
        ("context.input.to like \"a*b\"", "dev", {"ab", "axb", "devx"}),
        ("context.input.is_final", True, {False}),
        ("context.derived.to.length < 3", "four", {"fo", "fou"}),
        ("context.derived.to.domain == \"a.com\"", "b", {"https://a.com/"}),
        ("context.derived.to.address_domain == \"a.com\"", "jo@b.org", {"jo@a.com"}),
        ("context.derived.to.escapes", "x", {"../x"}),
        ("context.enriched.risk.score > 7", 9, {6, 7, 8}),
    ],
)  # fmt: skip
def test_values_are_those_at_which_the_test_tips_over(
    text: str, value: Any, expected: set[Any]
) -> None:
    found = tried(text, value)

    assert expected <= {one for one in found if one is not ABSENT}
    assert value not in found
    assert found[-1] is ABSENT


def test_sets_are_tried_with_and_without_what_is_looked_for() -> None:
    found = tried('context.input.tags.contains("vip")', ["a", "vip"])

    assert ["a"] in found
    assert [] in found
    assert ["vip"] in found


def test_lists_are_tried_as_long_as_is_asked_for() -> None:
    found = tried("context.derived.tags.count <= 2", ["a", "b", "c"])

    assert ["a", "b"] in found


def test_a_record_that_is_read_whole_is_every_place_in_it() -> None:
    assert [spot.path for spot in spots_of(CONTEXT, ("input", "card"))] == [("card", "number")]
    assert not list(spots_of(CONTEXT, ("meta", "extra")))
    assert not list(spots_of(CONTEXT, ("system", "now")))


def test_the_name_of_a_claim_is_no_value_of_it() -> None:
    said = Said()
    for atom in conditions('principal.hasTag("role") && principal.getTag("role") == "lead"'):
        said.read(atom)

    assert list(said.texts) == ["lead"]


def test_constants_of_every_kind_are_taken_up() -> None:
    said = Said()
    text = (
        'context.system.now < datetime("2026-01-01") && principal in Callgate::Group::"ops"'
        ' && context.derived.to.ip.isInRange(ip("10.0.0.0/8"))'
        ' && context.system.now.toTime() < duration("1h")'
    )
    for atom in conditions(text):
        said.read(atom)

    assert list(said.instants) == [1767225600.0]
    assert list(said.groups) == ["ops"]
    assert "10.0.0.0" in said.texts
