"""The bounds of each kind of argument, at each level, in Cedar."""

from typing import Any

import pytest

from callgate.policy.learning.bounding import Level, bounds_of
from callgate.policy.learning.observing import MASKED, Node, Observed
from callgate.policy.schema import input_shape
from fakes.seen import EVERYTHING, a_seen_call

SHAPE = input_shape({**EVERYTHING, "required": list(EVERYTHING["properties"])})
OPTIONAL = input_shape({**EVERYTHING, "required": []})


def bound(
    name: str, *values: Any, level: Level = Level.STRICT, is_closed: bool = True
) -> list[str]:
    """The conditions on one required argument."""
    shape = SHAPE.fields[name].shape
    seen = Observed(Node(type(SHAPE)(kind=SHAPE.kind, fields={name: SHAPE.fields[name]})))
    assert shape is not None
    for value in values:
        seen.add(a_seen_call({name: value}))
    return list(bounds_of(seen, level, is_closed=is_closed).conditions)


URLS = [f"https://api.example.com/v1/items/{number}" for number in range(10)]
PATHS = [f"/data/reports/{number}/x.csv" for number in range(10)]


@pytest.mark.parametrize(
    ("name", "values", "conditions"),
    [
        ("order", ["A"], 'context.input.order == "A"'),
        ("order", ["B", "A", "B"], '["A", "B"].contains(context.input.order)'),
        (
            "order",
            [f"A-{number:03}" for number in range(10)],
            'context.input.order like "A-00*" && context.derived.order.length == 5',
        ),
        (
            "order",
            ["x" * 81, "y"],
            "context.derived.order.length <= 81",
        ),
        (
            "order",
            URLS,
            'context.derived.order has host && context.derived.order.host == "api.example.com" && '
            'context.derived.order has scheme && context.derived.order.scheme == "https" && '
            "context.derived.order has port && context.derived.order.port == 443 && "
            "!context.derived.order.has_userinfo && context.derived.order has url_path && "
            'context.derived.order.url_path like "/v1/items/*" && context.derived.order.length == 34',
        ),
        (
            "order",
            PATHS,
            'context.derived.order has path && context.derived.order.path like "/data/reports/*" && '
            "!context.derived.order.escapes && !context.derived.order.has_backslash && "
            "context.derived.order.length == 21",
        ),
        (
            "order",
            [*PATHS, "/data/reports"],
            'context.derived.order has path && (context.derived.order.path == "/data/reports" || '
            'context.derived.order.path like "/data/reports/*") && !context.derived.order.escapes && '
            "!context.derived.order.has_backslash && context.derived.order.length <= 21",
        ),
        (
            "order",
            [f"u{number}@example.com" for number in range(10)],
            "context.derived.order has address_domain && "
            'context.derived.order.address_domain == "example.com" && context.derived.order.length == 14',
        ),
        ("amount", [5, 9, 7], "context.input.amount >= 5 && context.input.amount <= 9"),
        ("amount", [5, 5.0], "context.input.amount == 5"),
        ("amount", [-3, -1], "context.input.amount >= -3 && context.input.amount <= -1"),
        (
            "price",
            [1, 2.25],
            'context.input.price.greaterThanOrEqual(decimal("1.0")) && '
            'context.input.price.lessThanOrEqual(decimal("2.25"))',
        ),
        ("dry", [True], "context.input.dry"),
        ("dry", [False, False], "!context.input.dry"),
        ("a-b", ["x"], 'context.input["a-b"] == "x"'),
        (
            "tags",
            [["a"], ["b", "a"], []],
            'context.derived.tags.count <= 2 && ["a", "b"].containsAll(context.input.tags)',
        ),
        ("tags", [[]], "context.derived.tags.count == 0"),
        (
            "tags",
            [PATHS],
            "context.derived.tags.count == 10 && context.derived.tags has common_path && "
            'context.derived.tags.common_path like "/data/reports/*" && !context.derived.tags.escapes',
        ),
        (
            "sizes",
            [[1.5], [2]],
            'context.derived.sizes.count == 1 && [decimal("1.5"), decimal("2.0")].containsAll(context.input.sizes)',
        ),
        (
            "card",
            [{"n": "1"}, {"n": "1", "k": 3}],
            'context.input.card.n == "1" && (if context.input.card has k then context.input.card.k == 3 else true)',
        ),
        (
            "either",
            ["x", 3],
            '((context.input.either has string && context.input.either.string == "x") || '
            "(context.input.either has integer && context.input.either.integer == 3))",
        ),
        ("free", [{"a": 1}], 'context.input.free.json == "{\\"a\\":1}"'),
        (
            "free",
            [{"a": number} for number in range(10)],
            'context.input.free.kind == "object" && context.derived.free.bytes == 7 && '
            "context.derived.free has count && context.derived.free.count == 1 && "
            'context.derived.free has keys && ["a"].containsAll(context.derived.free.keys)',
        ),
        (
            "rows",
            [[{"kind": "p", "n": number}] for number in range(10)],
            'context.input.rows.kind == "array" && context.derived.rows.bytes == 20 && '
            "context.derived.rows has count && context.derived.rows.count == 1 && "
            'context.derived.rows has each && ["p"].containsAll(context.derived.rows.each.kind)',
        ),
    ],
)
def test_a_bound_holds_of_all_values_and_of_no_more_than_that(
    name: str, values: list[Any], conditions: str
) -> None:
    assert [one for one in bound(name, *values) if "meta" not in one] == [conditions]


@pytest.mark.parametrize(
    ("name", "values", "conditions"),
    [
        ("amount", [41, 396], "context.input.amount >= 20 && context.input.amount <= 500"),
        ("amount", [-7, 0], "context.input.amount >= -10 && context.input.amount <= 0"),
        (
            "amount",
            [2**63 - 1],
            f"context.input.amount >= {5 * 10**18} && context.input.amount <= {2**63 - 1}",
        ),
        (
            "price",
            [0.3],
            'context.input.price.greaterThanOrEqual(decimal("0.2")) && '
            'context.input.price.lessThanOrEqual(decimal("0.5"))',
        ),
        (
            "tags",
            [["a"] * 7],
            'context.derived.tags.count <= 10 && ["a"].containsAll(context.input.tags)',
        ),
        ("order", ["x" * 81], "context.derived.order.length <= 100"),
    ],
)
def test_bounded_rounds_outwards(name: str, values: list[Any], conditions: str) -> None:
    assert bound(name, *values, level=Level.BOUNDED) == [conditions]


def test_bounded_goes_by_domains_before_hosts() -> None:
    (condition,) = bound("order", *URLS, level=Level.BOUNDED)

    assert 'context.derived.order.domain == "example.com"' in condition


def test_both_truths_are_no_bound_and_open_knows_none() -> None:
    assert bound("dry", True, False) == []
    assert bound("order", "A", level=Level.OPEN) == []


def of_all(*calls: dict[str, Any], hidden: Any = ()) -> Observed:
    seen = Observed(Node(OPTIONAL))
    for call in calls:
        seen.add(a_seen_call(call, hidden=hidden))
    return seen


def test_what_was_never_given_must_not_be_and_what_always_was_must() -> None:
    conditions = bounds_of(
        of_all({"order": "A"}, {"order": "A", "amount": 1}), Level.STRICT
    ).conditions

    assert conditions[0] == 'context.input has order && context.input.order == "A"'
    assert conditions[1] == "if context.input has amount then context.input.amount == 1 else true"
    assert conditions[2].startswith("!(context.input has price) && !(context.input has dry) && ")
    assert conditions[2].endswith("context.meta.nulls.isEmpty() && context.meta.extra.isEmpty()")


def test_nulls_and_undeclared_keys_are_those_that_were_seen() -> None:
    (*_, last) = bounds_of(of_all({"note": None, "x": 1}), Level.STRICT).conditions

    assert last.endswith(
        '["note"].containsAll(context.meta.nulls) && ["x"].containsAll(context.meta.extra)'
    )


def test_what_cannot_be_read_is_left_alone_and_said() -> None:
    bounds = bounds_of(
        of_all(
            {"order": "A", "price": 0.00001, "card": {"n": "***"}}, hidden=(("input", "card", "n"),)
        ),
        Level.STRICT,
    )

    assert not any("price" in one or "card" in one for one in bounds.conditions)
    assert bounds.unbound == (
        ("price", "not exact: policy compares numbers with 4 decimals at most"),
        ("card.n", MASKED),
    )


def test_arguments_that_are_not_told_at_all_have_no_bounds() -> None:
    bounds = bounds_of(of_all({}, hidden=(("input",),)), Level.STRICT)

    assert (bounds.conditions, bounds.unbound) == ((), (("the arguments", MASKED),))


def test_too_many_undeclared_keys_are_said() -> None:
    seen = of_all({f"k{number}": 1 for number in range(12)})

    assert ("context.meta.extra", "too many different ones") in bounds_of(
        seen, Level.STRICT
    ).unbound
