"""Recorded calls become steps in the order in which they came in."""

from typing import Any

import pytest

from callgate.review.steps import Step, name_of, step_of, steps_of


def a_call(**more: Any) -> dict[str, Any]:
    return {
        "call": "c1",
        "received_at": "2026-09-21T14:13:20.000000Z",
        "at": "2026-09-21T14:13:21.000000Z",
        "principal": {"id": "sam", "agent": "helper"},
        "target": "shop",
        "tool": "refund",
        "name": "shop___refund",
        "code": "ok",
        "ran": "yes",
        "delivered": True,
        "arguments": {"amount": 5},
        "content": {"content": []},
        "result": {"bytes": 14, "sha256": "x", "error": False, "failed": True},
        "seconds": {"identify": 0.25, "forward": 0.5},
        "labels": ["pii"],
        **more,
    }


def test_a_call_is_a_step_with_what_the_record_says() -> None:
    step = step_of(a_call())

    assert step.tool == "shop___refund"
    assert (step.principal, step.agent) == ("sam", "helper")
    assert step.ended_at is not None
    assert step.ended_at - step.received_at == 1
    assert step.total_seconds == 0.75
    assert (step.result_bytes, step.is_failed, step.labels) == (14, True, ("pii",))
    assert step.outcome == "ok"


def test_steps_are_in_the_order_in_which_calls_came_in() -> None:
    late = a_call(call="c0", received_at="2026-09-21T14:13:25.000000Z")

    assert [(step.number, step.call) for step in steps_of([late, a_call()])] == [
        (1, "c1"),
        (2, "c0"),
    ]


@pytest.mark.parametrize(
    ("code", "ran", "outcome"),
    [
        (None, None, "in flight"),
        ("ok", "yes", "ok"),
        ("not_permitted", "no", "refused"),
        ("result_withheld", "yes", "withheld"),
        ("target_timeout", "unknown", "failed"),
        ("interceptor_failed", "no", "failed"),
    ],
)
def test_the_outcome_is_one_word(code: str | None, ran: str | None, outcome: str) -> None:
    assert step_of(a_call(code=code, ran=ran)).outcome == outcome


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ({}, "shop___refund"),
        ({"target": None, "tool": None}, "shop___refund"),
        ({"target": None, "tool": None, "name": None, "method": "ping"}, "ping"),
        ({"target": None, "tool": None, "name": None}, "?"),
    ],
)
def test_a_call_is_named_as_people_call_it(more: dict[str, Any], name: str) -> None:
    assert name_of(a_call(**more)) == name


def test_a_call_of_which_hardly_anything_is_left_is_still_a_step() -> None:
    step = step_of({"call": "c1", "at": "2026-09-21T14:13:20.000000Z", "erased": True})

    assert isinstance(step, Step)
    assert step.is_erased
    assert step.total_seconds is None
    assert step.policies == ()
    assert not step.is_refused
    assert not step.is_list
