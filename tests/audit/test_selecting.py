"""Selectors cover what they say, and nothing that cannot be read comes to mean less."""

from __future__ import annotations

import pytest

from callgate.audit.selecting import Facts, Selector, selector_of

FACTS = Facts(
    position=1, kind="intent", call="c1", at=10.0, principal="ada[1]", target="hr-eu", tool="pay"
)


@pytest.mark.parametrize(
    ("selector", "covers"),
    [
        (Selector(), True),
        (Selector(principal="ada[1]"), True),
        (Selector(principal="ada"), False),
        (Selector(principal="ad*"), True),
        (Selector(principal="*[1]", target="hr-*"), True),
        (Selector(principal="ada[1]", target="shop"), False),
        (Selector(run="*"), False),
        (Selector(since=10.0, until=10.5), True),
        (Selector(since=10.5), False),
        (Selector(until=10.0), False),
        (Selector(call="c1", tool="p?y"), False),
    ],
)
def test_all_that_is_said_must_be_so(selector: Selector, *, covers: bool) -> None:
    assert selector.covers(FACTS) is covers


def test_a_name_that_was_cut_in_its_column_is_found_by_the_whole_of_it() -> None:
    facts = Facts(position=1, kind="intent", call="c1", at=0.0, principal="x" * 500)
    assert Selector(principal="x" * 600).covers(facts)


@pytest.mark.parametrize(
    "said", [None, [], {"user": "x"}, {"run": 1}, {"since": True}, {"run": ""}]
)
def test_what_cannot_be_read_is_refused(said: object) -> None:
    with pytest.raises(ValueError, match=r"selector|must be|empty"):
        selector_of(said)


def test_what_is_told_can_be_read_again() -> None:
    selector = Selector(principal="a*", since=1.5)
    assert selector_of(selector.told()) == selector
    assert selector.in_words() == "principal a*, since 1.5"
    assert Selector().in_words() == "everything"
