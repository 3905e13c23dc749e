"""Nothing that a call says can end a literal, act as a wildcard, or hide from who reads."""

import cedarpy
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.authoring.hidden import hidden_in
from callgate.policy.learning.quoting import (
    attribute,
    entity,
    has,
    literal,
    one_of,
    pattern,
    quoted,
)
from callgate.policy.shapes import Kind
from callgate.policy.source import read_policies

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
HOSTILE = [
    '"',
    "\\",
    '") };',
    "*",
    "\\*",
    "\n",
    "\r\n",
    "\u202e",
    "\u200b",
    "\0",
    "\x1b[31m",
    "é",
    "'",
    "//",
    "{",
]


def body_of(condition: str) -> dict[str, object]:
    (policy,) = read_policies(
        [("p", f"permit(principal, action, resource) when {{ {condition} }};")]
    )
    (found,) = policy.est["conditions"]
    body: dict[str, object] = found["body"]
    return body


@given(TEXTS | st.sampled_from(HOSTILE))
def test_a_text_is_read_as_it_was_and_shows_all_that_is_in_it(text: str) -> None:
    written = quoted(text)

    assert body_of(f"context.input.x == {written}")["=="]["right"] == {"Value": text}  # type: ignore[index]  # as Cedar writes it
    assert not hidden_in(written)
    assert "\n" not in written


@given(TEXTS | st.sampled_from(HOSTILE), TEXTS)
def test_only_the_wildcards_of_a_pattern_are_some(text: str, other: str) -> None:
    written = pattern(text, None)
    handle = cedarpy.PolicySet.from_str(
        f"permit(principal, action, resource) when {{ context.x like {written} }};"
    )

    def fits(value: str) -> bool:
        request = {
            "principal": 'U::"u"', "action": 'A::"a"', "resource": 'R::"r"', "context": {"x": value},
        }  # fmt: skip
        return bool(cedarpy.is_authorized(request, handle, "[]").allowed)

    assert fits(text)
    assert fits(text + other)
    assert fits(other) is other.startswith(text)


@given(TEXTS | st.sampled_from(["if", "x", "a-b", "has", "__cedar", "", "1a", "true"]))
def test_any_name_is_an_attribute(name: str) -> None:
    access = {".": {"left": {".": {"left": {"Var": "context"}, "attr": "input"}}, "attr": name}}

    assert body_of(f"{attribute('context.input', name)} == 1")["=="]["left"] == access  # type: ignore[index]  # as Cedar writes it
    assert body_of(has("context.input", name)) == {"has": access["."]}


@given(TEXTS)
def test_any_id_is_that_of_an_entity(identifier: str) -> None:
    (policy,) = read_policies(
        [
            (
                "p",
                f"permit(principal == {entity('Callgate::OAuthUser', identifier)}, action, resource);",
            )
        ]
    )

    assert policy.principal.uids == (("Callgate::OAuthUser", identifier),)


@pytest.mark.parametrize("value", [0, -1, 2**63 - 1, -(2**63)])
def test_every_whole_number_can_be_written(value: int) -> None:
    handle = cedarpy.PolicySet.from_str(
        f"permit(principal, action, resource) when {{ context.x == {literal(Kind.LONG, value)} }};"
    )
    request = {
        "principal": 'U::"u"', "action": 'A::"a"', "resource": 'R::"r"',
        "context": msgspec.json.encode({"x": value}).decode(),
    }  # fmt: skip

    assert cedarpy.is_authorized(request, handle, "[]").allowed


def test_other_values_are_written_as_cedar_has_them() -> None:
    assert literal(Kind.BOOL, True) == "true"
    assert literal(Kind.BOOL, False) == "false"
    assert literal(Kind.DECIMAL, "1.50") == 'decimal("1.50")'
    assert one_of(["1", "2"]) == "[1, 2]"
