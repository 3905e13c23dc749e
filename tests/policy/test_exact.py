"""A value has its exact Cedar form, or none; what policies do not read is not asked of it."""

import pytest

from callgate.policy.exact import Unrepresentable, alternative, convert, instant
from callgate.policy.shapes import DECIMAL, FACT_SHAPES, LONG, STRING, Kind, Shape, optional

NUMBER_OR_TEXT = Shape(
    kind=Kind.UNION, fields={"string": optional(STRING), "number": optional(DECIMAL)}
)


def test_a_value_of_an_alternative_that_was_cut_off_shows_nothing() -> None:
    partial = Shape(kind=Kind.UNION, fields={"string": optional(STRING)}, is_partial=True)

    assert convert(partial, 1e300, "/x") == {}
    assert convert(partial, "a", "/x") == {"string": "a"}
    with pytest.raises(Unrepresentable):
        convert(NUMBER_OR_TEXT, 1e300, "/x")


def test_a_whole_number_is_an_integer_where_there_are_integers() -> None:
    integers = Shape(
        kind=Kind.UNION, fields={"string": optional(STRING), "integer": optional(LONG)}
    )

    assert (alternative(integers, 7.0), alternative(NUMBER_OR_TEXT, 7)) == ("integer", "number")
    assert convert(integers, 7.0, "/x") == {"integer": 7}
    assert convert(NUMBER_OR_TEXT, 7, "/x") == {"number": "7.0"}


def test_an_integer_with_more_digits_than_python_writes_is_refused_too() -> None:
    for shape in (LONG, DECIMAL):
        with pytest.raises(Unrepresentable):
            convert(shape, 10**5000, "/x")


def test_the_path_of_what_is_refused_leads_to_it() -> None:
    strings = Shape(kind=Kind.SET, items=STRING)

    with pytest.raises(Unrepresentable) as caught:
        convert(strings, ["a", 5], "/input/x")

    assert (caught.value.path, caught.value.problem) == (
        "/input/x/1",
        "string expected, integer given",
    )


def test_an_instant_is_cedar_text() -> None:
    assert instant(0.5) == "1970-01-01T00:00:00.500Z"


@pytest.mark.parametrize(
    ("of_type", "value", "cedar"),
    [
        ("strings", [], []),
        ("strings", ["a", "b"], ["a", "b"]),
        ("datetime", "2026-11-29T17:00:00.5+01:00", "2026-11-29T16:00:00.500Z"),
        ("datetime", "2026-11-29", "2026-11-29T00:00:00.000Z"),
        ("ip", "10.0.0.1", "10.0.0.1"),
        ("ip", "10.0.0.0/8", "10.0.0.0/8"),
        ("ip", "2001:DB8::1", "2001:db8::1"),
    ],
)
def test_a_fact_of_an_interceptor_has_the_form_of_its_type(
    of_type: str, value: object, cedar: object
) -> None:
    assert convert(FACT_SHAPES[of_type], value, "f") == cedar


@pytest.mark.parametrize(
    ("of_type", "value"),
    [
        ("strings", "a"),
        ("strings", ["a", None]),
        ("datetime", 1_790_000_000),
        ("datetime", "tomorrow"),
        ("datetime", "2026-02-30"),
        ("ip", "10.0.0.1:80"),
        ("ip", "http://10.0.0.1/"),
        ("ip", "127.1"),
        ("ip", "fe80::1%eth0"),
        ("ip", 167_772_161),
    ],
)
def test_a_fact_of_another_form_is_none(of_type: str, value: object) -> None:
    with pytest.raises(Unrepresentable):
        convert(FACT_SHAPES[of_type], value, "f")
