"""Places in JSON: dotted, or as JSONPath writes them."""

import pytest

from callgate.interceptors.redacting.paths import Path, PathError, Step


@pytest.mark.parametrize(
    ("path", "way", "is_covered"),
    [
        ("a", ("a",), True),
        ("a", ("a", "b"), True),  # what is in it too
        ("a", ("b", "a"), False),
        ("a.b", ("a",), False),
        ("$.a.b", ("a", "b"), True),
        ("a.*.c", ("a", "b", "c"), True),
        ("a.*.c", ("a", 3, "c"), True),
        ("a[*].c", ("a", 3, "c"), True),
        ("a[3].c", ("a", 3, "c"), True),
        ("a[3].c", ("a", 4, "c"), False),
        ("items.0", ("items", 0), True),
        ("$..iban", ("iban",), True),
        ("$..iban", ("a", 0, "b", "iban"), True),
        ("a..c", ("a", "b", "b", "c"), True),
        ("a..c", ("b", "c"), False),
        ("$['a.b']", ("a.b",), True),
        ('$["*"]', ("*",), True),
        ('$["*"]', ("a",), False),
        ("**.c", ("a", "b", "c"), True),
    ],
)
def test_a_path_covers_its_place_and_what_is_in_it(
    path: str, way: tuple[Step, ...], is_covered: bool
) -> None:
    assert Path.parse(path).covers(way) is is_covered


@pytest.mark.parametrize("text", ["", "$", "a[", "a[x]", "$..", "a]", "[?(@.a)]"])
def test_what_is_no_path_is_an_error(text: str) -> None:
    with pytest.raises(PathError, match="not a path"):
        Path.parse(text)
