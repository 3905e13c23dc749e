from __future__ import annotations

import pytest

from callgate.exports.calls import ending, operation, place_of
from fakes.exported import ORIGIN, a_recorded_call, every_ending


@pytest.mark.parametrize("name", every_ending())
def test_every_call_has_one_ending(name: str) -> None:
    assert ending(every_ending()[name]) == name.partition(",")[0]


def test_operation_is_the_qualified_tool_or_the_method() -> None:
    assert operation(a_recorded_call()) == "shop___refund"
    assert operation(a_recorded_call(method="prompts/get")) == "prompts/get"
    assert operation(a_recorded_call(target=None, tool=None, name="gone")) == "gone"


def test_place_of_a_call_is_that_of_its_last_entry_and_of_an_entry_its_own() -> None:
    assert place_of(a_recorded_call(number=7), ORIGIN) == f"{ORIGIN}/1/15"
    assert place_of({"record": {"log": 2, "seq": 0}}, ORIGIN) == f"{ORIGIN}/2/0"
