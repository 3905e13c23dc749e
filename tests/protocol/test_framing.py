"""Streams are cut into the same messages however they arrive, and never beyond the bound."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.framing import Event, Events, FramingError, Line, Lines
from fuzz.targets import TARGETS, held

STREAM = (
    b"\xef\xbb\xbf: hello\r\n"
    b"id: 7\ndata:\n\n"
    b'event: message\r\ndata: {"a":1}\r\n\r\n'
    b"data: one\rdata:two\r\r"
    b"event: other\ndata: ignored\n\n"
    b"retry: 250\nid:8\ndata:  spaced\nunknown: x\n\n"
    b"data: never finished\n"
)
DATA = [b'{"a":1}', b"one\ntwo", b" spaced"]


def events_of(stream: bytes, cuts: list[int]) -> tuple[list[bytes], Events]:
    events = Events(1000)
    found, start = [], 0
    for end in (*cuts, len(stream)):
        found += events.feed(stream[start:end])
        start = end
    return found, events


def test_events_are_read_whole() -> None:
    found, events = events_of(STREAM, [])
    assert found == DATA
    assert events.last_id == "8"
    assert events.retry_seconds == 0.25


def test_events_are_the_same_byte_by_byte() -> None:
    found, events = events_of(STREAM, list(range(len(STREAM))))
    assert found == DATA
    assert events.last_id == "8"


@given(st.lists(st.integers(0, len(STREAM)), max_size=6).map(sorted))
def test_events_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    assert events_of(STREAM, cuts)[0] == DATA


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_events_are_told_by_their_names(step: int) -> None:
    events, found = Events(1000), []
    for start in range(0, len(STREAM), step):
        found += events.feed_named(STREAM[start : start + step])
    assert found == [
        Event("message", b'{"a":1}'),
        Event("message", b"one\ntwo"),
        Event("other", b"ignored"),
        Event("message", b" spaced"),
    ]


def test_an_event_may_fill_the_bound_but_not_break_it() -> None:
    assert Events(15).feed(b"data:0123456789\n\n") == [b"0123456789"]
    with pytest.raises(FramingError):
        Events(14).feed(b"data:0123456789\n\n")


@pytest.mark.parametrize("flood", [b"data: xxxxxxxxxx\n", b"xxxxxxxxxx", b"data\n"])
def test_an_event_that_never_ends_is_given_up(flood: bytes) -> None:
    events = Events(1000)
    with pytest.raises(FramingError):
        for _ in range(1001):
            events.feed(flood)


def test_endless_comments_and_priming_events_keep_nothing() -> None:
    events = Events(100)
    for _ in range(1000):
        assert events.feed(b": keep-alive\n\nid: 1\ndata:\n\n") == []


def test_an_id_with_nul_and_a_retry_that_is_no_number_are_ignored() -> None:
    events = Events(100)
    events.feed(b"id: a\0b\nretry: soon\nretry: 99999999999\ndata: x\n\n")
    assert events.last_id is None
    assert events.retry_seconds is None


def lines_of(stream: bytes, step: int, max_bytes: int = 100) -> list[Line]:
    lines = Lines(max_bytes)
    return [
        line
        for start in range(0, len(stream), step)
        for line in lines.feed(stream[start : start + step])
    ]


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
def test_lines_are_the_same_however_they_are_cut(step: int) -> None:
    stream = b'{"a":1}\n\r\n\n{"b":2}\r\nlast'
    assert lines_of(stream, step) == [Line(b'{"a":1}'), Line(b'{"b":2}')]


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_line_over_the_bound_is_cut_and_the_next_one_found(step: int) -> None:
    stream = b"x" * 30 + b"\nok\n"
    assert lines_of(stream, step, max_bytes=10) == [Line(b"x" * 10, True), Line(b"ok")]


def test_a_line_that_nobody_ends_is_given_up() -> None:
    lines = Lines(10)
    with pytest.raises(FramingError):
        for _ in range(100):
            lines.feed(b"xxxx")


def test_a_long_line_in_small_pieces_costs_linear_time() -> None:
    lines = Lines(1 << 22)
    for _ in range(1 << 16):
        assert lines.feed(b"x" * 32) == []
    assert lines.feed(b"\n") == [Line(b"x" * (1 << 21))]


def test_empty_chunks_keep_nothing() -> None:
    lines = Lines(10)
    for _ in range(1000):
        lines.feed(b"")
    assert held(lines) < 100


@pytest.mark.parametrize("parser", [Events, Lines])
@pytest.mark.parametrize("piece", [b"x", b"xy", b"data\n"])
def test_small_pieces_are_kept_in_about_their_own_size(
    parser: type[Events] | type[Lines], piece: bytes
) -> None:
    bounded, size = parser(1 << 20), 1 << 17
    tracemalloc.start()
    try:
        for _ in range(size // len(piece)):
            bounded.feed(bytes(bytearray(piece)))  # a new object each time, as a socket gives
        bounded.feed(b"\n\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * size


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda b: not set(b) & {10, 13})))
def test_splitting_undoes_joining(texts: list[bytes]) -> None:
    assert lines_of(b"".join(text + b"\n" for text in texts), 7) == [Line(text) for text in texts]


WORDS = (
    b"data",
    b"event",
    b"id",
    b"retry",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"\r\n",
    b"message",
    b"\0",
    b"7",
)
streams = st.lists(
    st.sampled_from(WORDS) | st.sampled_from((b"\n\n", b"data: x\n")) | st.binary(max_size=3),
    max_size=40,
).map(b"".join)
cuts_of_streams = st.lists(st.integers(0, 150), max_size=8).map(sorted)
bounds = st.integers(1, 60)


def read_in_pieces(
    parser: Events | Lines, stream: bytes, cuts: list[int]
) -> tuple[list[object], bool]:
    """What is found, and whether the stream was given up."""
    found: list[object] = []
    ends = [*(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in zip([0, *ends], ends, strict=False):
        try:
            found += parser.feed(stream[start:end])
        except FramingError:
            return found, True
    return found, False


@pytest.mark.parametrize("parser", [Events, Lines])
@given(stream=streams, cuts=cuts_of_streams, most=bounds)
def test_any_stream_is_cut_into_the_same_messages_however_it_arrives(
    parser: type[Events] | type[Lines], stream: bytes, cuts: list[int], most: int
) -> None:
    whole, is_whole_refused = read_in_pieces(parser(most), stream, [])
    found, is_refused = read_in_pieces(parser(most), stream, cuts)

    assert is_refused == is_whole_refused
    if is_refused:  # smaller pieces show more of what came before the fault, never anything else
        assert found[: len(whole)] == whole
    else:
        assert found == whole


@given(streams, cuts_of_streams)
def test_what_a_stream_says_about_itself_is_the_same_however_it_arrives(
    stream: bytes, cuts: list[int]
) -> None:
    whole, cut = Events(1000), Events(1000)
    read_in_pieces(whole, stream, [])
    read_in_pieces(cut, stream, cuts)

    assert (cut.last_id, cut.retry_seconds) == (whole.last_id, whole.retry_seconds)


texts = st.lists(
    st.binary(max_size=8).filter(lambda b: not set(b) & {10, 13}), min_size=1, max_size=4
)
line_ends = st.sampled_from((b"\n", b"\r\n", b"\r"))
noise = st.sampled_from((b"", b": comment", b"id: 1", b"retry: 5", b"other: x", b"event: message"))


@given(st.lists(st.tuples(texts, noise)), line_ends, cuts_of_streams)
def test_reading_events_undoes_writing_them(
    written: list[tuple[list[bytes], bytes]], end: bytes, cuts: list[int]
) -> None:
    stream = b"".join(
        end.join([*filter(None, [extra]), *(b"data: " + text for text in lines), b"", b""])
        for lines, extra in written
    )
    messages = [b"\n".join(lines) for lines, _ in written]

    found, is_refused = read_in_pieces(Events(1 << 20), stream, cuts)

    assert found == [message for message in messages if message]
    assert not is_refused


@pytest.mark.parametrize("name", ["events", "lines"])
@given(bound=st.integers(1, 255), stream=streams)
def test_no_stream_breaks_a_promise_or_is_kept_beyond_the_bound(
    name: str, bound: int, stream: bytes
) -> None:
    TARGETS[name](bytes((bound,)) + stream)
