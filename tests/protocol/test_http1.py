"""A response reads the same however it arrives; one that could be read in two ways is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.http1 import Head, HttpError, ResponseParser


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
