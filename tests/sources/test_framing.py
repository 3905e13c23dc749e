"""Messages between processes."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.sources.framing import FrameError, read_frame, write_frame


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_what_is_written_is_read(bodies: list[bytes]) -> None:
    stream = io.BytesIO()
    for body in bodies:
        write_frame(stream, body)
    stream.seek(0)

    assert [read_frame(stream) for _ in bodies] == bodies


@given(st.binary(min_size=1, max_size=50), st.integers(min_value=0))
def test_a_message_that_breaks_off_is_no_message(body: bytes, cut: int) -> None:
    stream = io.BytesIO()
    write_frame(stream, body)
    whole = stream.getvalue()

    with pytest.raises(FrameError, match="ended"):
        read_frame(io.BytesIO(whole[: cut % len(whole)]))


def test_a_message_that_claims_to_be_too_large_is_not_waited_for() -> None:
    with pytest.raises(FrameError, match="4294967295 bytes"):
        read_frame(io.BytesIO(b"\xff\xff\xff\xff"), most=1000)
