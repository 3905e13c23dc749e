"""What is known is read as it is; everything else is a place, or not read at all."""

from typing import Any

import pytest

from callgate.policy.domains import Texts
from callgate.policy.exact import Unrepresentable
from callgate.policy.expressions import Chain
from callgate.policy.ground import NOTHING_GIVEN, Constant, Given, Ground, given_of
from callgate.policy.index import Lineage
from callgate.policy.leaves import Leaf
from callgate.policy.schema import input_shape
from callgate.policy.shapes import Kind
from callgate.policy.source import read_policies

ADA = ("Callgate::OAuthUser", "ada")
NAME = Leaf(("input", "name"), Kind.STRING, None, (), Texts())
AMOUNT = Leaf(("input", "amount"), Kind.DECIMAL, None, (), None)
SHAPE = input_shape(
    {
        "type": "object",
        "properties": {
            "name": {"type": ["string", "null"]},
            "amount": {"type": "number"},
            "prices": {"type": "array", "items": {"type": "number"}},
        },
    }
)


def ground(given: Given = NOTHING_GIVEN) -> Ground:
    leaves: dict[Chain, Leaf] = {leaf.path: leaf for leaf in (NAME, AMOUNT)}
    return Ground(
        principal=Lineage.of(ADA),
        attributes={"id": "ada"},
        tags={"role": "clerk"},
        action=Lineage.of(("Callgate::Action", "shop___refund")),
        resource=Lineage.of(("Callgate::Gateway", "main")),
        leaf=leaves.get,
        given=given,
    )


def expression(text: str) -> Any:
    """The left side of `text == …`."""
    (policy,) = read_policies(
        [("p", f"permit(principal, action, resource) when {{ {text} == 1 }};")]
    )
    return policy.est["conditions"][0]["body"]["=="]["left"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", Constant("long", 5)),
        ("-5", Constant("long", -5)),
        ("true", Constant("truth", 1)),
        ('"x"', Constant("text", "x")),
        ('decimal("1.50")', Constant("decimal", 15_000)),
        ('decimal("-922337203685477.5808")', None),  # left to Cedar
        ("principal", Constant("uid", ADA)),
        ('Callgate::Group::"g"', Constant("uid", ("Callgate::Group", "g"))),
        ("principal.id", Constant("text", "ada")),
        ("principal.tenant", None),
        ('principal.getTag("role")', Constant("text", "clerk")),
        ('principal.getTag("none")', None),
        ("principal.getTag(principal.id)", None),
        ('["a", "b"]', Constant("text", frozenset({"a", "b"}), is_set=True)),
        ('["a", 1]', None),
        ('["a", context.input.name]', None),
        ("[]", None),
        ("context", None),
        ("context.input.name", NAME),
        ("context.input.other", None),
        ("context.system.now", None),
        ("1 + 1", None),
    ],
)
def test_terms(text: str, expected: Constant | Leaf | None) -> None:
    assert ground().term(expression(text)) == expected


def test_known_arguments_are_constants_also_where_they_are_known_to_be_absent() -> None:
    given = given_of({"name": None, "amount": 1.5, "undeclared": 1}, SHAPE)
    on = ground(given)

    assert given == Given(
        {"amount": "1.5"}, {"amount": {"__extn": {"fn": "decimal", "arg": "1.5"}}}, frozenset({"name"})
    )  # fmt: skip
    assert on.term(expression("context.input.amount")) == Constant("decimal", 15_000)
    assert on.term(expression("context.input.name")) is None
    assert on.knows(("input", "name")) and on.knows(("system", "now"))
    assert not on.knows(("input", "undeclared"))
    assert [given.touches(chain) for chain in ((), ("input",), ("input", "name"), ("input", "x"))] == [
        True, True, True, False
    ]  # fmt: skip


def test_what_is_given_in_sets_is_explicit_too_and_must_be_exact() -> None:
    assert given_of({"prices": [1]}, SHAPE).explicit == {
        "prices": [{"__extn": {"fn": "decimal", "arg": "1.0"}}]
    }
    assert given_of({"other": 1}, SHAPE) is NOTHING_GIVEN
    assert given_of({"name": "x"}, None) is NOTHING_GIVEN
    with pytest.raises(Unrepresentable):
        given_of({"amount": "x"}, SHAPE)
