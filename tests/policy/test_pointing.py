"""A place leads to the very word."""

import pytest

from callgate.policy.pointing import (
    place_in_clause,
    place_of,
    place_of_entity,
    place_of_type,
    unquoted,
)
from callgate.policy.source import read_policies

TEXT = r"""// a comment
  @id("shop")  permit (principal, action in [
    Callgate :: Action::"git", Callgate::Action::"a\"b"], resource) when {
    context.input.amount > 5
      && context.input["x-y"] == "amount"
  };
"""
(POLICY,) = read_policies([("p.cedar", TEXT)])
LINES = TEXT.split("\n")


def at(place: tuple[int, int]) -> str:
    line, column = place
    return LINES[line - 1][column - 1 :]


def test_a_policy_begins_with_its_first_annotation() -> None:
    assert at(place_of(POLICY)).startswith("@id")


@pytest.mark.parametrize(
    ("identifier", "written"),
    [("git", 'Callgate :: Action::"git"'), ('a"b', r'Callgate::Action::"a\"b"')],
)
def test_an_entity_is_found_however_it_is_written(identifier: str, written: str) -> None:
    assert at(place_of_entity(POLICY, "Callgate::Action", identifier)).startswith(written)


def test_what_is_only_a_text_is_no_entity() -> None:
    assert at(place_of_entity(POLICY, "Callgate::Action", "shop")).startswith("@id")


def test_an_entity_type_is_found() -> None:
    assert at(place_of_type(POLICY, "Callgate::Action")).startswith("Callgate :: Action")


@pytest.mark.parametrize(
    ("number", "attribute", "written"),
    [(1, "amount", "amount > 5"), (2, "x-y", '"x-y"]'), (2, None, 'context.input["x-y"]'),
     (1, "absent", "context.input.amount")],
)  # fmt: skip
def test_an_attribute_is_found_in_its_clause(
    number: int, attribute: str | None, written: str
) -> None:
    clause = POLICY.clauses[number - 1]

    assert at(place_in_clause(POLICY, clause, attribute)).startswith(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [('"a"', "a"), (r'"a\"b\\c"', 'a"b\\c'), (r'"\n\t\r\0"', "\n\t\r\0"), (r'"\u{1F600}\u{e9}"', "😀é")],
)  # fmt: skip
def test_escapes_are_read_as_cedar_reads_them(written: str, meant: str) -> None:
    assert unquoted(written) == meant
