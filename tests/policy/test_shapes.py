"""Of a context, a policy is given just what its attribute chains can reach."""

from callgate.policy.shapes import (
    LONG,
    STRING,
    TEXT,
    Kind,
    Shape,
    cut,
    optional,
    record,
    required,
)

UNION = Shape(kind=Kind.UNION, fields={"string": optional(STRING), "integer": optional(LONG)})
INNER = record(a=required(STRING), b=required(TEXT))


def test_a_record_is_cut_at_every_level() -> None:
    shape = record(x=required(INNER), y=optional(LONG))

    assert cut(shape, [("x", "a")]) == record(x=required(record(a=required(STRING))))
    assert cut(shape, [("x", "a"), ("x",)]) == record(x=required(INNER))
    assert cut(shape, [("y", "deeper"), ("z",)]) == record(y=optional(LONG))
    assert cut(shape, [()]) == shape
    assert cut(shape, []) == record()


def test_a_union_that_loses_alternatives_remembers_it() -> None:
    assert cut(UNION, [("string",), ("integer",)]) == UNION
    assert cut(UNION, [("string",)]) == Shape(
        kind=Kind.UNION, fields={"string": optional(STRING)}, is_partial=True
    )


def test_what_is_no_record_stays_whole() -> None:
    assert cut(TEXT, [("json",)]) == TEXT
