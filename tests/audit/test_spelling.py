"""One way to write each number, each byte and each proof."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.merkle import MAX_SIZE
from callgate.audit.spelling import (
    MAX_STEPS,
    read_named,
    read_number,
    read_path,
    strict_base64,
    written_path,
)


@given(st.integers(0, MAX_SIZE))
def test_a_number_is_read_as_it_is_written(number: int) -> None:
    assert read_number(str(number)) == number
    assert read_named(f"old {number}", "old") == number


@pytest.mark.parametrize(
    "text",
    ["", "01", "-1", "+1", "1 ", " 1", "1\n", "1_0", "1.0", "x", "٣", str(MAX_SIZE + 1), "9" * 30],
)
def test_nothing_else_is_a_number(text: str) -> None:
    assert read_number(text) is None
    assert read_named(f"old {text}", "old") is None


@pytest.mark.parametrize(
    "line", ["", "old", "old1", "OLD 1", "new 1", "old\t1", "old  1", " old 1"]
)
def test_a_line_with_another_name_has_no_number(line: str) -> None:
    assert read_named(line, "old") is None


@pytest.mark.parametrize("text", ["AA", "AAA", "AAB=", "A A=", "AA==\n", "-_==", "AA===", "Ä"])
def test_base64_has_one_form_only(text: str) -> None:
    with pytest.raises(ValueError, match="base64"):
        strict_base64(text)


@given(st.binary())
def test_strict_base64_reads_what_others_write(data: bytes) -> None:
    assert strict_base64(base64.b64encode(data).decode()) == data


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=MAX_STEPS))
def test_a_path_is_read_as_it_is_written(path: list[bytes]) -> None:
    assert read_path(written_path(path).split("\n")[:-1]) == tuple(path)


def test_a_path_has_no_more_hashes_than_a_tree_can_need_and_nothing_else() -> None:
    assert len(read_path(["AA=="] * MAX_STEPS)) == MAX_STEPS
    with pytest.raises(ValueError, match="at most 63 hashes"):
        read_path(["AA=="] * (MAX_STEPS + 1))
    with pytest.raises(ValueError, match="a hash of the proof: this is no base64"):
        read_path(["AA==", "?"])
