from __future__ import annotations

import pytest
from msgspec.structs import replace

from callgate.audit.explain import whole
from callgate.audit.matching import matcher
from callgate.audit.questions import Condition
from callgate.model import Json
from callgate.ports import CallFilter
from callgate.storage.index.keys import MOST_ARGUMENTS, keys_of, wanted_of
from fakes.chosen import FILTERS, name_of, some_calls
from fakes.entries import told_as_read


@pytest.fixture(scope="module")
def calls() -> list[dict[str, Json]]:
    """Whole calls of every kind, also some with only an outcome."""
    entries = [told_as_read(entry) for entry in some_calls(300)]
    by_call: dict[str, list[dict[str, Json]]] = {}
    for entry in entries:
        by_call.setdefault(entry["call"], []).append(entry)
    return [whole(of_call) for of_call in by_call.values()]


def may_be(call: dict[str, Json], chosen: CallFilter) -> bool:
    """What the index would say of the call."""
    wanted, keys = wanted_of(chosen), keys_of(call)
    return all(keys.intersection(group) for group in wanted.groups) and not keys.intersection(
        wanted.unwanted
    )


@pytest.mark.parametrize("chosen", FILTERS, ids=name_of)
def test_no_chosen_call_is_passed_over(calls: list[dict[str, Json]], chosen: CallFilter) -> None:
    fits = matcher(chosen)
    assert [call["call"] for call in calls if fits(call) and not may_be(call, chosen)] == []


EXACT = [one for one in FILTERS if not one.where and one.text is None and not one.until]


@pytest.mark.parametrize("chosen", EXACT, ids=name_of)
def test_what_a_call_is_or_has_is_known_without_looking(
    calls: list[dict[str, Json]], chosen: CallFilter
) -> None:
    ended = [call for call in calls if call["code"] is not None]
    fits = matcher(replace(chosen, since=None))
    assert [may_be(call, chosen) for call in ended] == [fits(call) for call in ended]


def test_each_list_is_a_list_and_not_wanted_unless_asked_for() -> None:
    call: dict[str, Json] = {"tool": "tools/list", "code": "ok"}
    assert not may_be(call, CallFilter())
    assert may_be(call, CallFilter(with_lists=True))
    assert may_be(call, CallFilter(method="tools/list"))


def test_no_argument_can_be_taken_for_what_leaves_a_call_out() -> None:
    call: dict[str, Json] = {"tool": "refund", "code": "ok"}
    # Under `memo` this text has the checksum that stood for "is a list".
    assert may_be({**call, "arguments": {"memo": "amgevuvd"}}, CallFilter())
    assert wanted_of(CallFilter()).unwanted > (0xFFFF_FFFF,)


def test_call_with_more_arguments_than_are_counted_is_always_looked_at() -> None:
    arguments = {f"a{number}": number for number in range(MOST_ARGUMENTS + 1)}
    call: dict[str, Json] = {"arguments": arguments}
    for number in (0, MOST_ARGUMENTS, 9_999):
        condition = Condition.parse(f"arguments.a{number}={number}")
        assert may_be(call, CallFilter(where=(condition,)))


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (1.0, "1"),
        (1, "1.0"),
        (1e3, "1000"),
        ("ü\ud800", "ü\ud800"),
        (None, "null"),
        (False, "false"),
    ],
)
def test_equal_values_have_one_key_however_they_are_written(value: Json, written: str) -> None:
    call: dict[str, Json] = {"arguments": {"x": [{"y": value}]}}
    chosen = CallFilter(where=(Condition.parse(f"arguments.x.y={written}"),))
    assert matcher(chosen)(call)
    assert may_be(call, chosen)
