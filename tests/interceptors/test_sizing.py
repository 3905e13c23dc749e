"""A result is cut to its bound, stays well-formed, and says what is gone."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.sizing import cut, cut_text

encode = msgspec.json.encode


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def test_a_long_text_is_cut_and_a_block_of_its_own_says_so() -> None:
    smaller = cut({"content": [text("x" * 5_000)]}, 1_000)

    assert smaller is not None
    first, notice = smaller["content"]
    assert first["text"] == "x" * len(first["text"])
    assert 600 < len(first["text"]) < 800
    gone = 5_000 - len(first["text"])
    assert notice == text(
        f"[Callgate: about {gone:,} of 5,039 bytes of this result are left out. "
        "Ask for less, or for the rest in parts.]"
    )


def test_what_fits_is_kept_and_what_cannot_be_cut_is_left_out() -> None:
    image = {"type": "image", "data": "A" * 4_000, "mimeType": "image/png"}
    embedded = {"type": "resource", "resource": {"uri": "file:///a", "text": "y" * 4_000}}

    smaller = cut(
        {"content": [text("first"), image, embedded, text("last")], "_meta": {"a": 1}}, 1_000
    )

    assert smaller is not None and smaller["_meta"] == {"a": 1}
    first, resource, notice = smaller["content"]
    assert first == text("first")
    assert resource["resource"]["uri"] == "file:///a"
    assert 300 < len(resource["resource"]["text"]) < 700
    assert "2 whole blocks among them" in notice["text"]


def test_structured_content_is_kept_whole_or_left_out_with_notice() -> None:
    small = {"content": [text("x" * 5_000)], "structuredContent": {"a": "b"}}
    large = {"content": [text("short")], "structuredContent": {"a": "b" * 5_000}}

    kept, gone = cut(small, 1_000), cut(large, 1_000)

    assert kept is not None and kept["structuredContent"] == {"a": "b"}
    assert gone is not None and "structuredContent" not in gone
    assert gone["content"][0] == text("short")
    assert "the structured form too" in gone["content"][1]["text"]
    assert cut(large, 1_000, must_keep_structure=True) is None


def test_a_resource_is_cut_with_the_notice_beside_it() -> None:
    result = {
        "contents": [
            {"uri": "file:///a", "text": "z" * 5_000},
            {"uri": "file:///b", "blob": "A" * 5_000},
        ]
    }

    smaller = cut(result, 1_000)

    assert smaller is not None
    first, notice = smaller["contents"]
    assert first["uri"] == notice["uri"] == "file:///a"
    assert "1 whole block among them" in notice["text"]


def test_an_error_loses_its_data_and_the_end_of_its_message() -> None:
    smaller = cut({"error": {"code": -32000, "message": "m" * 3_000, "data": "d" * 3_000}}, 1_000)

    assert smaller is not None
    assert smaller["error"].keys() == {"code", "message"}
    assert smaller["error"]["message"].startswith("mmm")
    assert smaller["error"]["message"].endswith("in parts.]")
    assert len(encode(smaller)) <= 1_000


def test_what_has_no_form_that_can_be_cut_has_no_smaller_one() -> None:
    for result in (
        {"messages": ["x" * 5_000]},
        {"content": "x" * 5_000},
        {"error": "x" * 5_000},
        {"content": [], "_meta": {"x": "y" * 5_000}},
        {"error": {"code": 1, "message": "", "data": 1, "x": 2}, "more": "x" * 5_000},
    ):
        assert cut(result, 1_000) is None


TEXT = st.text(st.sampled_from('ab"\\\n\x01\x1f\x7f\u00e9\u2028\u65e5\U0001f600/'), max_size=60)
BLOCKS = st.one_of(
    TEXT.map(lambda value: text(value * 30)),
    TEXT.map(lambda value: {"type": "image", "data": value * 30}),
    TEXT.map(lambda value: {"type": "resource", "resource": {"uri": "x", "text": value * 30}}),
    st.sampled_from([None, 5, {"type": "text"}, {"type": "resource", "resource": 1}]),
)


@given(TEXT, st.integers(-3, 200))
def test_a_cut_text_is_the_longest_start_that_fits(value: str, most: int) -> None:
    start = cut_text(value, most)

    assert value.startswith(start)
    assert len(encode(start)) - 2 <= max(most, 0)
    if len(start) < len(value):
        assert len(encode(value[: len(start) + 1])) - 2 > most


@given(st.lists(BLOCKS, max_size=6), st.booleans(), st.integers(1_000, 3_000))
def test_a_smaller_result_fits_and_holds_only_what_was_there(
    blocks: list[Any], has_structure: bool, most: int
) -> None:
    result: dict[str, Any] = {"content": blocks}
    if has_structure:
        result["structuredContent"] = {"a": blocks}
    smaller = cut(result, most)

    assert smaller is not None
    assert len(encode(smaller)) <= most
    *kept, notice = smaller["content"]
    assert notice["text"].startswith("[Callgate: about ")
    whole = [block for block in kept if block in blocks]
    assert len(kept) - len(whole) <= 1
    assert smaller.get("structuredContent", result.get("structuredContent")) == result.get(
        "structuredContent"
    )
