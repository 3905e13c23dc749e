"""What a masked value hides from policies: everything that could depend on it, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.context import build
from callgate.policy.decided import ARGUMENTS, Place, digest_of, is_hidden, places_of
from callgate.policy.inference import input_shape
from callgate.policy.schema import context_shape, cut

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "plain": {"type": "string"},
        "card": {
            "type": "object",
            "properties": {"number": {"type": "string"}, "object": {"type": "string"}},
        },
        "either": {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "properties": {"a": {"type": "string"}}},
            ]
        },
        "rows": {
            "type": "array",
            "items": {"type": "object", "properties": {"k": {"type": "string"}}},
        },
        "tags": {"type": "array", "items": {"type": "string"}},
        "free": {"type": "object"},
    },
}


@pytest.mark.parametrize(
    ("chain", "place", "hides"),
    [
        (("input", "card", "number"), ("input", "card", "number"), True),
        (("derived", "card", "number", "length"), ("input", "card", "number"), True),
        (("input", "card", "name"), ("input", "card", "number"), False),
        (("input", "plain"), ("input", "card", "number"), False),
        (("input", "card"), ("input", "card", "number"), True),
        (("input", "card", "number"), ("input", "card"), True),
        ((), ("input", "card"), True),
        (("meta", "nulls"), ("input", "card"), True),
        (("meta", "nulls"), ("enriched", "risk", "score"), False),
        (("system", "now"), ARGUMENTS, False),
        (("input", "plain"), ARGUMENTS, True),
        (("enriched", "risk", "score"), ("enriched", "risk", "score"), True),
        (("enriched", "risk", "score"), ("input", "risk", "score"), False),
        (("input", "tags"), ("input", "tags", 3), True),
        (("derived", "rows", "each", "k"), ("input", "rows", 0, "k"), True),
        (("derived", "rows", "count"), ("input", "rows", 0, "k"), True),
        (("input", "either", "object", "a"), ("input", "either", "a"), True),
        (("input", "either", "string"), ("input", "either", "a"), True),
        (("input", "free", "json"), ("input", "free", "deep", "secret"), True),
        (("input", "card", "object"), ("input", "card", "number"), True),  # in doubt it does
    ],
)
def test_what_is_read_depends_on_a_hidden_place_or_it_does_not(
    chain: tuple[str, ...], place: Place, hides: bool
) -> None:
    assert is_hidden([place], [chain]) is hides


def test_nothing_hidden_hides_nothing() -> None:
    assert not is_hidden([], [(), ("input", "x")])


def test_markers_are_found_wherever_they_stand_and_nothing_else_is() -> None:
    value = {"a": "***", "b": [{"c": "***"}, "x***"], "***": 1}

    assert list(places_of(value, "***", ARGUMENTS)) == [("input", "a"), ("input", "b", 0, "c")]


def test_a_digest_is_that_of_the_bytes_that_are_sent() -> None:
    assert digest_of({"b": 1, "a": "é"}) == digest_of({"b": 1, "a": "é"})
    assert digest_of({"b": 1, "a": 2}) != digest_of({"a": 2, "b": 1})


TEXTS = st.sampled_from(["", "x", "/data/a", "https://example.com/x", "***"])
VALUES = st.fixed_dictionaries(
    {},
    optional={
        "plain": TEXTS,
        "card": st.fixed_dictionaries({}, optional={"number": TEXTS, "object": TEXTS}),
        "either": st.one_of(TEXTS, st.fixed_dictionaries({}, optional={"a": TEXTS})),
        "rows": st.lists(st.fixed_dictionaries({}, optional={"k": TEXTS}), max_size=2),
        "tags": st.lists(TEXTS, max_size=2),
        "free": st.dictionaries(st.sampled_from("ab"), TEXTS, max_size=2),
    },
)
CHAINS = st.sampled_from(
    [
        ("input", "plain"),
        ("input", "card"),
        ("input", "card", "number"),
        ("input", "card", "object"),
        ("input", "either", "string"),
        ("input", "either", "object", "a"),
        ("input", "tags"),
        ("input", "free", "json"),
        ("derived", "plain", "length"),
        ("derived", "card", "number", "path"),
        ("derived", "either", "object", "a", "bytes"),
        ("derived", "rows", "each", "k"),
        ("derived", "rows", "count"),
        ("derived", "tags", "hosts"),
        ("derived", "free", "keys"),
        ("meta", "extra"),
    ]
)


OTHERS = st.one_of(TEXTS, st.none(), st.integers(0, 3), st.just({"a": "x"}), st.just(["x"]))


@given(VALUES, OTHERS, st.lists(CHAINS, min_size=1, max_size=4))
def test_what_is_not_hidden_is_the_same_whatever_the_hidden_values_are(
    value: dict[str, Any], other: Any, chains: list[tuple[str, ...]]
) -> None:
    hidden = list(places_of(value, "***", ARGUMENTS))
    context = context_shape(input_shape(SCHEMA), {})
    arguments = context.fields["input"].shape
    read = cut(context, [chain for chain in chains if not is_hidden(hidden, [chain])])

    told = build(read, arguments, value, {}, 0.0)

    assert build(read, arguments, _unmasked(value, other), {}, 0.0) == told


def _unmasked(value: Any, other: Any) -> Any:
    if isinstance(value, dict):
        return {name: _unmasked(item, other) for name, item in value.items()}
    if isinstance(value, list):
        return [_unmasked(item, other) for item in value]
    return other if value == "***" else value
