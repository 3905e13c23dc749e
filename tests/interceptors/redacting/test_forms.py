"""Expressions look at bytes and speak of characters."""

import re

from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.forms import Form, Reading, any_of

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
