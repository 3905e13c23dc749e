"""What is not known is left open, and what is known is tried in every form."""

from typing import Any

from cedarpy import _internal

from callgate.policy.inference import input_shape
from callgate.policy.source import read_policies
from callgate.policy.unknowns import MAX_OPEN, timed, unknown, with_unknowns

SHAPE = input_shape(
    {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "number"}},
        "required": ["a"],
    }
)


def test_an_optional_argument_is_tried_as_absent_and_as_present() -> None:
    b, c = unknown("input.b"), unknown("input.c")

    assert with_unknowns(SHAPE, {"a": 1}) == [
        {"a": 1},
        {"a": 1, "b": b},
        {"a": 1, "c": c},
        {"a": 1, "b": b, "c": c},
    ]


def test_what_must_be_there_and_decimals_are_left_open() -> None:
    assert with_unknowns(SHAPE, {"b": "x", "c": 1.5}) == [
        {"a": unknown("input.a"), "b": "x", "c": unknown("input.c")}
    ]
    assert with_unknowns(SHAPE, {"a": 1, "b": None, "c": None}) == [{"a": 1}]


def test_too_many_forms_are_not_tried() -> None:
    many = {f"x{n}": {"type": "string"} for n in range(MAX_OPEN + 1)}

    assert with_unknowns(input_shape({"type": "object", "properties": many}), {}) is None


def test_the_time_stands_in_the_policies() -> None:
    text = "permit (principal, action, resource) when { context has system && context.system has now && "
    text += 'context.system.now < datetime("2026-01-01T00:00:00Z") };'
    uid: dict[str, Any] = {"type": "T", "id": "x"}
    request = {
        "principal": uid,
        "action": {"type": "Action", "id": "x"},
        "resource": uid,
        "context": "{}",
    }

    def is_permitted(at: float) -> bool:
        handle = timed(read_policies([("p", text)]), at)
        return '"decision":"Allow"' in _internal.is_authorized(request, handle, "[]", None, False)

    assert is_permitted(1_700_000_000.0)
    assert not is_permitted(1_790_000_000.0)
