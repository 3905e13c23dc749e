"""What is too large does not go in, and comes back cut or not at all."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.size import Size, SizeSettings, load_size
from callgate.scrutiny import Decision, Message, Request, Result
from fakes.calls import a_principal, a_tool

WHO: dict[str, Any] = {"call_id": "c", "principal": a_principal()}


def size(**settings: Any) -> Size:
    return Size(SizeSettings(**settings))


def send(it: Size, arguments: dict[str, Any]) -> str | None:
    decision = asyncio.run(it.on_request(Request(**WHO, tool=a_tool(), arguments=arguments)))
    return None if decision is None else decision.refuse


def receive(it: Size, result: dict[str, Any], **tool: Any) -> Decision | None:
    view = Result(**WHO, tool=a_tool(**tool), result=result, is_error=result.get("isError") is True)
    return asyncio.run(it.on_result(view))


@pytest.mark.parametrize(
    ("settings", "arguments", "sentence"),
    [
        ({"max_argument_bytes": 20}, {"a": "x" * 12}, None),
        ({"max_argument_bytes": 20}, {"a": "x" * 13}, "The arguments have 21 bytes; at most 20 may be sent."),
        ({"max_depth": 2}, {"a": [1, 2]}, None),
        ({"max_depth": 2}, {"a": [[1]]}, "The arguments are nested more than 2 deep."),
        ({"max_items": 2}, {"a": [1, 2], "b": {"c": 1, "d": 2}}, None),
        ({"max_items": 2}, {"a": [{"b": [1, 2, 3]}]}, "The field $.a[0].b has 3 items; at most 2 may be sent."),
        ({"max_items": 2}, {"a": 1, "b": 2, "c": 3}, "The field $ has 3 items; at most 2 may be sent."),
        ({"max_characters": 3}, {"a": ["abc", "\u65e5\u672c\u8a9e"]}, None),
        ({"max_characters": 3}, {"a": ["abcd"]}, "The field $.a[0] has 4 characters; at most 3 may be sent."),
        ({"max_characters": 3}, {"a": {"long": 1}}, "The field $.a.long has 4 characters; at most 3 may be sent."),
        ({"fields": {"$.q": {"max_characters": 3}}}, {"q": "abc", "r": "abcd"}, None),
        ({"fields": {"$.q": {"max_characters": 3}}}, {"q": "abcd"}, "The field $.q has 4 characters; at most 3 may be sent."),
        ({"fields": {"$.q[*]": {"max_bytes": 5}}}, {"q": ["abc", {"a": 1}]}, "The field $.q[1] has 7 bytes; at most 5 may be sent."),
        ({"fields": {"$..ids": {"max_items": 1}}}, {"q": [{"ids": [1, 2]}]}, "The field $.q[0].ids has 2 items; at most 1 may be sent."),
    ],
)  # fmt: skip
def test_arguments_within_their_bounds_go_on_and_others_are_refused(
    settings: dict[str, Any], arguments: dict[str, Any], sentence: str | None
) -> None:
    assert send(size(**settings), arguments) == sentence


def test_a_large_result_is_cut_with_a_note_for_the_record() -> None:
    decision = receive(
        size(max_result_bytes=1_000), {"content": [{"type": "text", "text": "x" * 5_000}]}
    )

    assert decision is not None and decision.result is not None
    assert len(msgspec.json.encode(decision.result)) <= 1_000
    assert decision.note.startswith("cut from 5039 to ")
    assert receive(size(max_result_bytes=1_000), {"content": []}) is None
    huge = receive(
        size(max_result_bytes=9_000), {"content": [{"type": "text", "text": "x" * 300_000}]}
    )
    assert huge is not None and huge.note.startswith("cut from 300039 to ")
    assert receive(size(max_depth=1), {"content": ["x" * 5_000]}) is None


def test_a_large_result_is_withheld_where_it_must_not_or_cannot_be_cut() -> None:
    withheld = Decision(
        withhold="The result has 5,039 bytes; at most 1,000 may go back. "
        "Ask for less, or for it in parts."
    )
    text = {"content": [{"type": "text", "text": "x" * 5_000}]}
    structured = {"content": [], "structuredContent": {"a": "x" * 5_000}}

    assert receive(size(max_result_bytes=1_000, on_large_result="withhold"), text) == withheld
    it = size(max_result_bytes=1_000)
    refused = receive(it, structured, outputSchema={"type": "object"})
    assert refused is not None and refused.withhold is not None
    kept = receive(it, {**structured, "isError": True}, outputSchema={"type": "object"})
    assert kept is not None and kept.result is not None
    assert receive(it, {"messages": ["x" * 5_000]}) is not None


def test_a_large_message_in_the_middle_of_a_call_is_dropped() -> None:
    def pass_on(params: dict[str, Any]) -> Decision | None:
        view = Message(**WHO, tool=a_tool(), method="notifications/message", params=params)
        return asyncio.run(size(max_result_bytes=1_000).on_message(view))

    assert pass_on({"data": "short"}) is None
    assert pass_on({"data": "x" * 1_000}) == Decision(
        withhold="A message of more than 1,000 bytes is dropped."
    )


JSON = st.recursive(
    st.none() | st.integers() | st.text("a,[{\"", max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab", max_size=4), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


@given(
    st.dictionaries(st.text("ab", max_size=3), JSON, max_size=4),
    st.fixed_dictionaries(
        {},
        optional={
            "max_argument_bytes": st.integers(2, 60),
            "max_depth": st.integers(1, 4),
            "max_items": st.integers(1, 4),
            "max_characters": st.integers(1, 8),
        },
    ).filter(bool),
)
def test_what_is_skipped_is_within_all_bounds(
    arguments: dict[str, Any], settings: dict[str, Any]
) -> None:
    it = size(**settings)

    if it.may_skip(msgspec.json.encode(arguments)):
        assert send(it, arguments) is None


def test_fields_are_always_looked_at() -> None:
    assert not size(fields={"$.q": {"max_items": 1}}).may_skip(b"{}")
    assert not size(max_result_bytes=1_000).may_skip(b" " * 1_001)


@pytest.mark.parametrize(
    "wrong", [{}, {"max_result_bytes": 10}, {"fields": {"q": {}}}, {"max_depth": 0}, {"on_large_result": "withhold"}]
)  # fmt: skip
def test_settings_that_bound_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SizeSettings(**wrong)


@pytest.mark.parametrize(
    ("settings", "points", "problem"),
    [
        ({"max_result_bytes": 1_000}, {"request"}, "`max_result_bytes` needs `on: [result]`"),
        ({"max_depth": 3, "max_result_bytes": 1_000}, {"result"}, "`max_depth` needs `on: [request]`"),
        ({"max_depth": 3, "max_result_bytes": 1_000}, {"request", "result"}, None),
        ({"max_result_bytes": 1_000}, {"message"}, None),
    ],
)  # fmt: skip
def test_a_bound_that_would_never_be_asked_about_is_refused(
    settings: dict[str, Any], points: set[str], problem: str | None
) -> None:
    made = SizeSettings(**settings)

    if problem is None:
        assert load_size(made, frozenset(points))
    else:
        with pytest.raises(InterceptorError, match=re.escape(problem)):
            load_size(made, frozenset(points))


def test_large_ones_take_no_thread_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_thread(*_: object) -> None:
        raise AssertionError("a pool that others wait for, too")

    monkeypatch.setattr(asyncio, "to_thread", to_thread)
    it = size(max_result_bytes=1000)
    decision = receive(it, {"content": [{"type": "text", "text": "x" * 300_000}]})
    asyncio.run(it.close())
    assert decision is not None
    assert "cut from" in (decision.note or "")
