"""Expressions look at bytes and speak of characters."""

import re

from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.forms import Form, Reading, Together, any_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_places_are_those_of_characters(parts: list[str]) -> None:
    text = "<7>".join(parts)

    places = list(Form("<([0-9])>", group=1).places(Reading(text)))

    assert places == [match.span(1) for match in re.finditer("<([0-9])>", text)]


def test_characters_outside_of_ascii_can_be_sought() -> None:
    reading = Reading("aé\u200bz")

    assert list(Form("[\u200b-\u200f]").places(reading)) == [(2, 3)]


def test_any_of_several_is_found_where_one_is() -> None:
    form = any_of([Form("ab|c"), Form("d")])

    assert form.is_in(Reading("xxd"))
    assert not form.is_in(Reading("xxa"))


def test_what_a_text_lacks_is_told_in_one_pass() -> None:
    here, there, too = Form("ab+"), Form("[xyz]"), Form("ü")
    reading = Reading("abbü")

    Together([here, there, too]).note(reading)

    assert reading.lacks == {there}
    assert here.is_in(reading)
    assert list(here.places(reading)) == [(0, 3)]
    assert too.next(reading, 0) == (3, 5)
    assert not there.is_in(reading)
    assert list(there.places(reading)) == []
    assert there.next(reading, 0) is None


class GivenUp:
    """A set of expressions that ran out of memory: it says that nothing is found."""

    def Match(self, body: bytes) -> list[int]:  # noqa: N802 - RE2's own name
        return []


def test_a_pass_that_was_given_up_tells_nothing() -> None:
    form = Form("a")
    together = Together([form])
    together._set = GivenUp()
    reading = Reading("a")

    together.note(reading)

    assert reading.lacks == frozenset()
    assert together.may_be_in(b"z") == {form}


def test_one_pass_tells_which_forms_a_text_has() -> None:
    here, there = Form("ab+"), Form("[xyz]")
    together = Together([here, there])

    assert together.may_be_in(b"abb") == {here}
    assert together.may_be_in(b"abz") == {here, there}
    assert together.may_be_in(b"") == set()
