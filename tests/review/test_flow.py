"""Where arguments came from is found, and what is nobody else's is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.review.flow import trace
from callgate.review.steps import Step
from fakes.steps import a_step, flows_of, run_of, structured, text

NOTE = "The customer asked for a refund of the broken lamp and a written apology by Friday"


@pytest.mark.parametrize(
    ("returned", "sent", "how"),
    [
        ("A-1002-XK", "A-1002-XK", "the same value"),
        ("A-1002-XK", "a-1002-xk", "the same value, written otherwise"),
        (129.95, "129.95", "the same number"),
        (12995, 12995, "the same number"),
        ("2024-05-06", "6 May 2024", "the same date"),
        ("order A-1002-XK is late", "A-1002-XK", "an id, address or name out of it"),
        (NOTE, f"Hello. {NOTE[13:70]} Bye.", "a part of its text"),
        (
            "A-1002-XK of Ada Lovelace",
            base64.b64encode(b"A-1002-XK of Ada Lovelace").decode(),
            "the same in another encoding (base64)",
        ),
    ],
)
def test_a_value_of_a_result_is_found_in_a_later_argument(
    returned: Any, sent: Any, how: str
) -> None:
    (found,) = flows_of(
        a_step("crm___get", {"q": "lamps"}, structured(order={"field": returned})),
        a_step("mail___send", {"body": sent}),
    )

    assert (found.source, found.source_path) == (1, "/structuredContent/order/field")
    assert (found.sink, found.sink_path) == (2, "/body")
    assert found.how == how
    assert 0 < found.share <= 1


def test_what_is_encoded_in_the_result_is_found_too() -> None:
    hidden = base64.b64encode(b"the secret is A-1002-XK of Ada").decode()
    (found,) = flows_of(
        a_step("files___read", {"path": "x"}, text(hidden)),
        a_step("mail___send", {"body": "A-1002-XK"}),
    )

    assert found.source == 1


def test_json_in_the_text_of_a_result_is_read() -> None:
    (found,) = flows_of(
        a_step("crm___get", {}, text(json.dumps({"orders": [{"id": "A-1002-XK"}]}))),
        a_step("shop___refund", {"order": "A-1002-XK"}),
    )

    assert found.source_path == "/content/0/text#/orders/0/id"


def test_the_first_result_that_said_it_is_the_origin() -> None:
    found = flows_of(
        a_step("crm___list", {}, structured(ids=["A-1002-XK"])),
        a_step("crm___get", {"id": "A-1002-XK"}, structured(id="A-1002-XK", name="Ada Lovelace")),
        a_step("mail___send", {"about": "A-1002-XK", "to": "Ada Lovelace"}),
    )

    assert [(one.source, one.sink, one.sink_path) for one in found] == [
        (1, 2, "/id"),
        (1, 3, "/about"),
        (2, 3, "/to"),
    ]


def test_what_the_agent_said_first_is_its_own() -> None:
    assert not flows_of(
        a_step("crm___get", {"id": "A-1002-XK"}, structured(id="A-1002-XK")),
        a_step("shop___refund", {"order": "A-1002-XK"}),
    )


def test_what_comes_back_after_a_call_began_did_not_flow_into_it() -> None:
    one, other = run_of(
        a_step("crm___get", {}, structured(id="A-1002-XK")), a_step("x___y", {"id": "A-1002-XK"})
    )
    assert other.received_at < (late := other.received_at + 1)

    assert not trace([replace(one, ended_at=late), other]).flows
    assert trace([one, other]).flows


def test_results_that_were_withheld_or_are_gone_flow_nowhere() -> None:
    assert not flows_of(
        a_step("crm___get", {}, None, code="result_withheld"),
        a_step("x___y", {"id": "A-1002-XK"}, None),
        a_step("x___z", None),
    )


def test_the_date_of_today_came_from_nowhere() -> None:
    today, other = "2026-09-21", "2026-03-01"
    found = flows_of(
        a_step("crm___get", {}, structured(a=today, b=other)),
        a_step("x___y", {"a": today, "b": other}),
    )

    assert [one.sink_path for one in found] == ["/b"]


def test_common_words_flags_and_small_numbers_flow_nowhere() -> None:
    assert not flows_of(
        a_step("crm___get", {}, structured(status="open", count=3, ok=True, year=2026)),
        a_step("crm___list", {"state": "open", "limit": 3, "all": True, "of": 2026}),
    )


def test_longer_results_than_the_bound_are_looked_at_in_their_beginnings_and_it_is_said() -> None:
    steps = run_of(
        *(
            a_step("x___y", {"n": n}, {"content": [text(f"A-{n:07}-XK" + " word" * 30_000)]})
            for n in range(3)
        ),
        a_step("x___z", {"id": "A-0000002-XK"}),
    )

    assert not trace(steps, most_characters=1000).is_whole
    assert trace(steps).is_whole
    assert trace(steps).flows


def test_each_argument_has_few_sources_the_best_first() -> None:
    sources = [a_step("x___y", {"n": n}, structured(id=f"A-{n:07}-XK")) for n in range(6)]
    sink = a_step("x___z", {"ids": " ".join(f"A-{n:07}-XK" for n in range(6)) + " " + NOTE})
    found = flows_of(a_step("x___a", {}, text(NOTE)), *sources, sink)

    assert len(found) == 3
    assert found[0].source == 1


def test_one_call_uses_no_result_of_its_own() -> None:
    assert not flows_of(a_step("x___y", {"id": "A-1002-XK"}, structured(id="A-1002-XK")))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_whatever_is_sent_and_returned_flows_forward_and_within_bounds(
    content: Any, arguments: Any
) -> None:
    for flow in flows_of(a_step("x___y", {}, content), a_step("x___z", arguments, content)):
        assert (flow.source, flow.sink) == (1, 2)
        assert 0 < flow.share <= 1


def big(number: int) -> Step:
    words = " ".join(f"w{number * 7919 + at}" for at in range(12_000))
    return a_step("x___y", {"q": f"w{number * 7919 - 1}"}, text(words))


def test_many_large_results_are_read_once_each() -> None:
    assert len(trace(run_of(*(big(number) for number in range(12)))).flows) <= 12
