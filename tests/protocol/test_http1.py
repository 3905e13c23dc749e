"""A response reads the same however it arrives; one that could be read in two ways is refused."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.http1 import (
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    Head,
    HttpError,
    ResponseParser,
)
from fuzz.targets import TARGETS, held


def read(stream: bytes, step: int = 1 << 20, *, is_closed: bool = False) -> tuple[object, bytes]:
    parser = ResponseParser()
    pieces: list[bytes] = []
    for start in range(0, len(stream), step):
        pieces += parser.feed(stream[start : start + step])
    if is_closed:
        parser.end()
    assert parser.is_complete
    return parser, b"".join(pieces)


LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\nX: 1\r\nx: 2\r\n\r\n"
    b"3;ext=1\r\nhel\r\n2 \r\nlo\r\n0\r\nTrailer: yes\r\n\r\n"
)


@pytest.mark.parametrize("step", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("stream", [LENGTH, CHUNKED])
def test_the_body_is_the_same_however_it_arrives(stream: bytes, step: int) -> None:
    parser, body = read(stream, step)
    assert body == b"hello"
    assert isinstance(parser, ResponseParser)
    assert parser.is_reusable


def test_names_are_lower_case_and_repeats_are_joined() -> None:
    parser, _ = read(CHUNKED)
    assert isinstance(parser, ResponseParser)
    assert parser.head == Head(
        status=200, headers={"transfer-encoding": "Chunked", "x": "1, 2"}, is_http10=False
    )


def test_a_body_without_length_ends_with_the_connection_which_is_not_used_again() -> None:
    parser, body = read(b"HTTP/1.1 200 OK\r\n\r\nhel" + b"lo", 4, is_closed=True)
    assert body == b"hello"
    assert isinstance(parser, ResponseParser)
    assert not parser.is_reusable


@pytest.mark.parametrize(
    "stream",
    [
        LENGTH + b"HTTP/1.1 200 OK\r\n",
        LENGTH.replace(b"HTTP/1.1", b"HTTP/1.0"),
        LENGTH.replace(b"Content-Type: a/b", b"Connection: Close"),
    ],
    ids=["surplus", "http 1.0", "close"],
)
def test_the_connection_is_not_used_again(stream: bytes) -> None:
    parser, body = read(stream)
    assert body == b"hello"
    assert isinstance(parser, ResponseParser)
    assert not parser.is_reusable


def test_heads_that_differ_in_nothing_but_the_length_have_their_own() -> None:
    for body in (b"hello", b"hello there", b""):
        stream = LENGTH.replace(b"5", b"%d" % len(body)).replace(b"hello", body)
        parser, found = read(stream)
        assert isinstance(parser, ResponseParser)
        assert found == body
        assert parser.head == Head(status=200, headers={"content-type": "a/b"})
        assert parser.is_reusable


def test_a_response_without_body_is_complete_at_once() -> None:
    for head in (b"204 No Content\r\n", b"202 Accepted\r\nContent-Length: 0\r\n"):
        assert read(b"HTTP/1.1 " + head + b"\r\n")[1] == b""


@pytest.mark.parametrize(
    "stream",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20,
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: b\nc: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: \xb2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\n\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nx: 1\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\ncontent-length: 1\0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\ncontent-length:\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nxx\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"1" * 5000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"a: b\r\n" * 70_000,
    ],
)
@pytest.mark.parametrize("step", [977, 1 << 20])
def test_what_is_not_one_clear_response_is_refused(stream: bytes, step: int) -> None:
    with pytest.raises(HttpError):
        read(stream, step)


@given(st.integers(0, len(LENGTH) - 1), st.integers(1, 9))
def test_a_response_cut_short_is_never_taken_for_whole(size: int, step: int) -> None:
    parser = ResponseParser()
    for start in range(0, size, step):
        parser.feed(LENGTH[start : min(start + step, size)])
    with pytest.raises(HttpError):
        parser.end()


@pytest.mark.parametrize("over", range(-3, 4))
@pytest.mark.parametrize("late", range(1, 5))
def test_a_head_or_line_at_the_bound_is_judged_the_same_however_it_arrives(
    over: int, late: int
) -> None:
    begin = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx: "
    head = begin + b"y" * (MAX_HEAD_BYTES + over - len(begin)) + b"\r\n\r\n"
    line = begin + b"\r\n\r\n0;" + b"y" * (MAX_LINE_BYTES + over - 2) + b"\r\n"

    for stream in (head, line):
        assert read_in_pieces(stream, [len(stream) - late])[2] == (over > 0)
        assert read_in_pieces(stream, [])[2] == (over > 0)


def test_a_head_that_is_refused_is_not_shown() -> None:
    parser, _, is_refused = read_in_pieces(b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n", [])

    assert is_refused
    assert parser.head is None


def test_what_comes_after_the_response_is_not_kept() -> None:
    parser = ResponseParser()
    parser.feed(LENGTH)
    for _ in range(100):
        parser.feed(b"x" * MAX_HEAD_BYTES)

    assert held(parser) < MAX_HEAD_BYTES
    assert parser.is_complete
    assert not parser.is_reusable


bodies = st.binary(max_size=60)
cuts_of_streams = st.lists(st.integers(0, 300), max_size=8)
names = st.from_regex(r"\A[!#$%&'*+.^_`|~a-z0-9-]{1,8}\Z").filter(
    lambda name: name not in ("connection", "content-length", "transfer-encoding")
)
values = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=12).map(
    lambda text: text.strip(" \t")
)


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, Head, bytes]:
    """A response whose end can be told, the head in it, the body in it."""
    status, body = draw(st.integers(200, 599)), draw(bodies)
    headers = draw(st.dictionaries(names, values, max_size=4))
    lengths: dict[str, str] = {}
    if status in (204, 304):
        sent = body = b""
    elif draw(st.booleans()):
        lengths = {"content-length": str(len(body))}
        sent = body
    else:
        headers["transfer-encoding"] = "chunked"
        edges = sorted({0, len(body), *draw(st.lists(st.integers(0, len(body)), max_size=3))})
        extension = draw(st.sampled_from((b"", b";x=1", b" ")))
        pieces = [body[start:end] for start, end in pairwise(edges)]
        sent = b"".join(b"%X%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces)
        sent += b"0\r\n%s\r\n" % draw(st.sampled_from((b"", b"trailer: x\r\n")))
    said = draw(st.permutations([*headers.items(), *lengths.items()]))
    lines = [f"HTTP/1.1 {status} ", *(f"{name}:{value}\t" for name, value in said)]
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    interim = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * draw(st.integers(0, 2))
    return interim + head + sent, Head(status=status, headers=headers), body


def read_in_pieces(stream: bytes, cuts: list[int]) -> tuple[ResponseParser, bytes, bool]:
    """The parser, the body, and whether the response was refused."""
    parser, body = ResponseParser(), b""
    edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
    for start, end in pairwise(edges):
        try:
            body += b"".join(parser.feed(stream[start:end]))
        except HttpError:
            return parser, body, True
    return parser, body, False


@given(responses(), cuts_of_streams)
def test_reading_a_response_undoes_writing_it(
    response: tuple[bytes, Head, bytes], cuts: list[int]
) -> None:
    stream, head, body = response

    parser, found, is_refused = read_in_pieces(stream, cuts)

    assert not is_refused
    assert (parser.head, found) == (head, body)
    assert parser.is_reusable


@given(responses(), st.integers(0, 400))
def test_no_response_cut_short_is_taken_for_whole(
    response: tuple[bytes, Head, bytes], size: int
) -> None:
    stream = response[0]
    parser, _, is_refused = read_in_pieces(stream[: min(size, len(stream) - 1)], [])

    assert not is_refused
    assert not parser.is_complete
    with pytest.raises(HttpError):
        parser.end()


@given(responses(), st.integers(0, 400), st.binary(max_size=3), st.integers(0, 3), cuts_of_streams)
def test_a_damaged_response_is_judged_the_same_however_it_arrives(
    response: tuple[bytes, Head, bytes], place: int, damage: bytes, lost: int, cuts: list[int]
) -> None:
    stream = response[0][:place] + damage + response[0][place + lost :]

    whole, body, is_whole_refused = read_in_pieces(stream, [])
    parser, found, is_refused = read_in_pieces(stream, cuts)

    assert is_refused == is_whole_refused
    if is_refused:
        assert found.startswith(body)
    else:
        assert found == body
        assert parser.head == whole.head
    assert (parser.is_complete, parser.is_reusable) == (whole.is_complete, whole.is_reusable)


@given(st.lists(responses().map(lambda made: made[0]) | st.binary(max_size=9), max_size=3))
def test_no_bytes_break_a_promise_or_are_kept_beyond_the_bound(parts: list[bytes]) -> None:
    TARGETS["http1"](b"".join(parts))
