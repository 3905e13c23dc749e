"""Every value of every call is taken in at its place, or it is known that it was not."""

from typing import Any

from callgate.policy.decided import ARGUMENTS
from callgate.policy.learning.observing import MASKED, MAX_EXAMPLES, Actor, Node, Observed
from callgate.policy.schema import input_shape
from fakes.calls import a_principal
from fakes.seen import EVERYTHING, a_defined_tool, a_seen_call, learnt

SHAPE = input_shape(EVERYTHING)


def observed(*arguments: dict[str, Any]) -> Observed:
    made = Observed(Node(SHAPE))
    for number, one in enumerate(arguments):
        made.add(a_seen_call(one, at=float(number)))
    return made


def test_what_stands_at_a_place_is_counted_there_and_null_is_nothing() -> None:
    seen = observed({"order": "a", "note": None}, {"order": "b", "card": {"n": "1"}})

    fields = seen.root.fields
    assert {name: node.seen for name, node in fields.items()} == {"order": 2, "card": 1}
    assert fields["card"].fields["n"].seen == 1
    assert seen.nulls.sorted == ["note"]
    assert (seen.calls, seen.first_at, seen.last_at) == (2, 0.0, 1.0)


def test_a_number_that_cedar_cannot_hold_keeps_policies_from_its_place_and_what_is_above() -> None:
    seen = observed({"order": "a", "price": 0.00001, "card": {"n": "1", "k": 2**70}})

    fields = seen.root.fields
    assert fields["order"].is_readable
    assert not fields["price"].is_readable
    assert not fields["card"].is_readable
    assert fields["card"].fields["n"].is_readable


def test_a_value_inside_a_list_counts_too() -> None:
    seen = observed({"order": "a", "rows": [{"kind": "x", "n": 0.00001}], "sizes": [1.5]})

    assert not seen.root.fields["rows"].is_readable
    assert seen.root.fields["sizes"].is_readable


def test_what_the_record_does_not_tell_is_no_value() -> None:
    made = Observed(Node(SHAPE))
    hidden = (("input", "card", "n"), ("input", "rows", 0, "kind"), ("input", "either", "z"))
    arguments = {
        "order": "a",
        "card": {"n": "***"},
        "rows": [{"kind": "***"}],
        "either": {"z": "***"},
    }
    made.add(a_seen_call(arguments, hidden=hidden))
    whole = Observed(Node(SHAPE))
    whole.add(a_seen_call({}, hidden=(ARGUMENTS,)))

    fields = made.root.fields
    assert fields["card"].fields["n"].trouble == MASKED
    assert (fields["rows"].trouble, fields["either"].trouble) == (MASKED, MASKED)
    assert fields["order"].is_readable
    assert whole.root.trouble == MASKED


def test_undeclared_keys_are_named() -> None:
    assert observed({"order": "a", "x": 1, "card": {"n": "1", "y": 1}}).extra.sorted == [
        "card.y",
        "x",
    ]


def test_some_calls_are_kept_as_examples_each_different() -> None:
    seen = observed(*({"order": order} for order in "aabcdef"))

    assert [one.question.arguments["order"] for one in seen.samples] == list("abcdef")[
        :MAX_EXAMPLES
    ]


def test_what_several_did_is_what_each_did() -> None:
    calls: list[dict[str, Any]] = [
        {"order": "a"},
        {"order": "b", "amount": 3},
        {"order": "c", "tags": ["x"]},
    ]
    whole = observed(*calls)
    pooled = observed(calls[0])
    pooled.merge(observed(*calls[1:]))

    assert pooled.root == whole.root
    assert pooled.calls == 3


def test_a_principal_is_known_by_what_policies_can_tell_apart() -> None:
    one = a_principal("ada", "g", claims={"exp": 1})
    assert Actor.of(one) == Actor.of(a_principal("ada", "h", claims={"exp": 2}))
    assert Actor.of(one) != Actor.of(a_principal("ada", agent="bot"))
    assert Actor.of(one) != Actor.of(a_principal("ada", issuer="https://other"))
    assert Actor.of(a_principal("ada", kind="anonymous")).is_anonymous


def test_a_tool_counts_by_the_definition_that_was_used_last() -> None:
    old, new = a_defined_tool(), a_defined_tool(schema={"type": "object"})
    ledger = learnt(
        [
            a_seen_call({"order": "a"}, tool=old, at=5.0),
            a_seen_call({}, tool=new, at=6.0),
            a_seen_call({"order": "b"}, tool=old, at=7.0),
        ]
    )

    (used,), left = ledger.latest()

    assert (used.tool, used.calls, left) == (old, 2, 1)


def test_groups_are_those_of_all_calls() -> None:
    ledger = learnt(
        [
            a_seen_call({"order": "a"}, a_principal("ada", "g", "h")),
            a_seen_call({"order": "a"}, a_principal("ada", "h", "i")),
        ]
    )

    ((used,), _) = ledger.latest()
    assert set(used.groups.values()) == {frozenset({"h"})}
    assert set(ledger.members) == {"g", "h", "i"}
