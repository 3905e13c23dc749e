from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from callgate.config.problems import ConfigError
from callgate.config.source import read_yaml
from callgate.config.starter import yaml_text

TEXTS = st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=10,
)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "c.yaml")
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("no", "no"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("12", 12),
        ("012", 12),
        ("0x1f", 31),
        ("0o17", 15),
        ("-3", -3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2027-01-31", "2027-01-31"),
        ("2027-01-31T00:00:00Z", "2027-01-31T00:00:00Z"),
        (".inf", ".inf"),
        ("'12'", "12"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_scalars_are_what_yaml_1_2_says(text: str, value: Any) -> None:
    assert read_yaml(f"key: {text}", "c.yaml").plain() == {"key": value}


def test_a_key_is_always_a_text() -> None:
    assert read_yaml("on: 1\n5: 2\nnull: 3", "c.yaml").plain() == {"on": 1, "5": 2, "null": 3}


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.sampled_from([0, 2]))
def test_what_we_write_reads_back_as_the_same(value: dict[str, Any], indent: int) -> None:
    text = yaml_text(value, indent)
    assert read_yaml(text, "c.yaml").plain() == value
    assert yaml.safe_load(text) == value  # and other tools agree


def test_every_value_knows_its_place() -> None:
    node = read_yaml("a:\n  b: [1, {c: 2}]\n  d:\n    - e\n", "c.yaml")
    assert node.place(("a",)) == (1, 1)
    assert node.place(("a", "b")) == (2, 3)
    assert node.place(("a", "b", 0)) == (2, 7)
    assert node.place(("a", "b", 1, "c")) == (2, 11)
    assert node.place(("a", "d", 0)) == (4, 7)
    assert node.place(("a", "x", "y")) == (1, 1)  # not there: what is nearest above
    assert node.place(()) == (1, 1)


def test_a_key_that_appears_twice_is_a_problem_wherever_it_is() -> None:
    assert problems("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n") == [
        "c.yaml:4:3: b.c: the key appears twice (first in line 3); keep one",
        "c.yaml:5:1: a: the key appears twice (first in line 1); keep one",
    ]


@pytest.mark.parametrize("text", ["", "# nothing", "[]", "text", "5", "~"])
def test_a_document_that_is_no_mapping_is_a_problem(text: str) -> None:
    assert problems(text) == [
        "c.yaml:1:1: must be a mapping of keys; `callgate init` writes one to start from"
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: [1, 2", "c.yaml:1:9"),
        ("a:\n\t- b", "c.yaml:2:1"),
        ("a: b: c", "c.yaml:1:5"),
        ("a: 1\n---\nb: 2", "c.yaml:2:1"),
        ("a: *nobody", "c.yaml:1:4"),
        ("a: \0", "c.yaml:1:1"),
    ],
)
def test_what_is_no_yaml_is_a_problem_at_its_place(text: str, place: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(f"{place}: not valid YAML: ")


@pytest.mark.parametrize(
    "text",
    [
        "a: !!python/object/apply:os.system [ls]",
        "a: !!python/name:os.system",
        "a: !custom x",
        "a: !!int abc",
        "a: !!float .inf",
        "a: !!binary aGk=",
        "a: !!timestamp 2027-01-31",
        "? [a]\n: 1",
    ],
)
def test_nothing_but_plain_values_is_made(text: str) -> None:
    assert problems(text)


def test_aliases_are_fine_until_they_make_the_document_endless() -> None:
    assert read_yaml("a: &x [1]\nb: *x", "c.yaml").plain() == {"a": [1], "b": [1]}
    (problem,) = problems("a: &x\n  b: *x")
    assert "contains itself" in problem
    bomb = "a0: &a0 [x, x]\n" + "".join(
        f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40)
    )
    assert "more than any configuration needs" in problems(bomb)[-1]
