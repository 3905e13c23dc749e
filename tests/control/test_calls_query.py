"""What a query means is told in test_calls; here is what numbers and bounds there are."""

from __future__ import annotations

import pytest

from callgate.control.calls_query import FILTERS, read_filter, read_number
from callgate.control.problems import Problem
from callgate.ports import CallFilter


def test_every_way_to_choose_has_a_parameter() -> None:
    names = {"is_refused": "refused", "with_lists": "lists", "is_delivered": "delivered"}
    names |= {"text": "search"}
    fields = {names.get(name, name) for name in CallFilter.__struct_fields__}
    assert fields - {"after", "limit"} == set(FILTERS)


def test_nothing_asked_is_the_default() -> None:
    assert read_filter({}) == CallFilter()


@pytest.mark.parametrize("text", ["-1", "61", "1.5", "", "one", "٣", "0000000"])
def test_number_out_of_bounds_is_a_problem_that_names_it(text: str) -> None:
    with pytest.raises(Problem, match="`wait` must be a number from 0 to 60"):
        read_number({"wait": [text]}, "wait", most=60, default=0)
