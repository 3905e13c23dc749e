"""Any legal schema is typed in bounded time; a value is held exactly, or the call is refused."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from hypothesis import event, given, note, settings
from hypothesis import strategies as st

from callgate.policy.context import Unrepresentable, build, census
from callgate.policy.inference import input_shape
from callgate.policy.schema import RESERVED_KEYS, Kind, Shape, context_shape
from callgate.protocol.jsonrpc import find_key
from callgate.protocol.validators import compile_schema
from fakes.cedar import decide, leaves, told
from fakes.schemas import Maker, Thrown, value_of

Json = Any
STRING, LONG, DECIMAL, TEXT = (
    Shape(kind=k) for k in (Kind.STRING, Kind.LONG, Kind.DECIMAL, Kind.TEXT)
)


def hidden(value: Json, seen: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """What of a value is not seen, by dotted path; what is seen must be equal."""
    if isinstance(value, dict) and isinstance(seen, dict):
        for name, item in value.items():
            at = f"{path}.{name}" if path else name
            if name in seen:
                yield from hidden(item, seen[name], at)
            else:
                yield at, item
    else:
        assert value == seen
        assert isinstance(value, bool) == isinstance(seen, bool)


def held(seed: int, *, is_closed: bool) -> str | None:
    """Makes a schema and a valid value, and checks that Cedar holds it.

    Else what it has no exact form for; None where no valid value was found.
    """
    dice = Random(seed)
    schema = Maker(dice, is_closed=is_closed).schema()
    note(f"{schema}")
    shape = input_shape(schema)
    whole = context_shape(shape, {})
    decide(whole, None, [])  # any schema makes a schema that Cedar takes
    value = value_of(schema, schema, Thrown(dice))
    if not compile_schema(schema).validator.is_valid(value) or find_key(value, RESERVED_KEYS):
        return None
    note(f"{value}")
    try:
        context = build(whole, shape, value, {}, 0.0)
    except Unrepresentable as finding:
        return finding.problem
    unseen = dict(hidden(value, told(shape, context["input"])))
    found = census(shape, value)
    assert {at for at, item in unseen.items() if item is None} <= {*found.nulls, *found.extra}
    assert {at for at, item in unseen.items() if item is not None} <= set(found.extra)
    conditions = list(leaves(shape, value, "context.input"))
    assert decide(whole, context, conditions) == conditions
    return ""


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 64))
def test_a_valid_value_is_held_exactly_or_refused_and_nothing_of_it_is_dropped(seed: int) -> None:
    event(f"{held(seed, is_closed=False)}")


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 1 << 64))
def test_only_numbers_beyond_cedar_are_refused_where_every_value_has_a_type(seed: int) -> None:
    problem = held(seed, is_closed=True)

    event(f"{problem}")
    assert not problem or any(
        limit in problem for limit in ("64 bits", "4 decimals", "922337203685477")
    )
