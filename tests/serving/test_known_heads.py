"""A head that was read before is not read again, and means what it meant then."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import uvloop
from hypothesis import HealthCheck, example, given
from hypothesis import settings as bounds
from hypothesis import strategies as st

from callgate.asgi import ALIKE, Scope
from callgate.serving import known_heads
from callgate.serving.known_heads import KnownHeads, cut_length
from fakes.raw_http import Echo, Talker, post, serving
from fuzz.http_requests import http_pieces, http_requests

HEAD = b"POST /mcp?a=b HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n"


def scopes_of(*requests: bytes) -> list[Scope]:
    """Of these, one after the other, each on a connection of its own."""
    echo = Echo()

    async def scenario() -> None:
        async with serving(echo) as url:
            for request in requests:
                async with Talker(url) as talker:
                    talker.say(request)
                    assert (await talker.answer()).status == 200

    uvloop.run(scenario())
    return echo.scopes


def alike(scope: Scope) -> dict[str, Any]:
    return {key: scope[key] for key in scope.keys() - {"client", "headers", ALIKE}}


@pytest.mark.parametrize("name", [b"content-length:", b"Content-Length: ", b"CONTENT-LENGTH: "])
def test_requests_whose_heads_differ_in_their_length_mean_the_same(name: bytes) -> None:
    requests = [HEAD + name + b"%d\r\n\r\n" % len(body) + body for body in (b"one", b"three", b"")]
    first, second, third = scopes_of(*requests)
    assert alike(first) == alike(second) == alike(third)
    assert first["client"] != second["client"]
    for scope, length in ((first, b"3"), (second, b"5"), (third, b"0")):
        assert dict(scope["headers"]) == {
            b"host": b"h",
            b"authorization": b"Bearer x",
            b"content-length": length,
        }
    assert ALIKE not in first
    is_learnt = name.strip() != b"CONTENT-LENGTH:"  # nobody writes that
    assert (ALIKE in second) is is_learnt
    assert second.get(ALIKE) is third.get(ALIKE)


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nContent-Length: 2",
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
        b"POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: 2",
        b"POST / HTTP/1.0\r\nHost: h\r\nContent-Length: 2",
        b"POST / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\nContent-Length: 2",
        b"POST / HTTP/1.1\r\nHost: h\nX: a\r\nContent-Length: 2",
        b"\r\nPOST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2",
        b"GET / HTTP/1.1\r\nHost: h",
        b"POST / HTTP/1.1\r\nHost: h\r\nX: "
        + b"x" * known_heads.MAX_BYTES
        + b"\r\nContent-Length: 2",
    ],
)
def test_what_is_not_said_by_the_bytes_alone_is_read_each_time(head: bytes) -> None:
    async def scenario() -> None:
        echo = Echo()
        async with serving(echo) as url:
            statuses = []
            for _ in range(2):
                async with Talker(url) as talker:
                    talker.say(head + b"\r\n\r\n{}")
                    statuses.append((await talker.answer()).status)
            assert statuses[0] == statuses[1]
        assert all(ALIKE not in scope for scope in echo.scopes)

    uvloop.run(scenario())


def test_pieces_and_requests_sent_at_once_mean_the_same_as_before() -> None:
    http_requests(b"".join(post(b"0123456789"[:length]) for length in (10, 3, 0, 3, 10)))


def test_no_more_than_so_many_are_kept() -> None:
    known = KnownHeads()
    for number in range(3 * known_heads.MOST_KNOWN):
        cut = cut_length(b"POST /%d HTTP/1.1\r\ncontent-length: 1\r\n\r\n" % number)
        assert cut is not None
        known.learn(cut, {"path": f"/{number}"}, [(b"content-length", b"1")])
        found = known.find(cut)
        assert found is not None
        assert found.scope["path"] == f"/{number}"
        assert len(known) <= known_heads.MOST_KNOWN


# What an agent says again and again: the same head, and another length.
FIELDS = st.lists(
    st.sampled_from(
        [
            b"Host: h",
            b"X: a",
            b"X: content-length: 3",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Expect: 100-continue",
            b"Transfer-Encoding: chunked",
            b"CONTENT-LENGTH: 2",
        ]
    ),
    max_size=2,
)
LINES = st.sampled_from([b"POST / HTTP/1.1", b"POST /?a=b HTTP/1.1", b"POST / HTTP/1.0"])
LENGTHS = st.sampled_from([b"Content-Length: %b", b"content-length:%b", b"Content-Length:  %b "])
AGAIN = st.builds(
    lambda line, before, length, after: b"\r\n".join((line, *before, length, *after, b"\r\n")),
    LINES,
    st.just([b"Host: h"]) | FIELDS,
    LENGTHS,
    FIELDS,
)
BODIES = st.sampled_from([b"", b"{}", b"0123456789", b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
SAID = st.one_of(
    *[st.just(b"%d")] * 4, st.sampled_from([b"0%d", b"%d0", b"+%d", b"%d,%d", b"-%d", b"0x%d"])
)


def written(requests: list[tuple[bytes, bytes, bytes]]) -> list[bytes]:
    return [
        head.replace(b"%b", said.replace(b"%d", b"%d" % len(body))) + body
        for head, body, said in requests
    ]


def pieces_of(requests: list[bytes], cuts: list[int]) -> list[bytes]:
    """Each request a piece, and cut at these places, too."""
    data = b"".join(requests)
    ends = {*itertools.accumulate(map(len, requests)), *(cut for cut in cuts if cut < len(data))}
    return [data[start:end] for start, end in itertools.pairwise([0, *sorted(ends)])]


REQUESTS = st.lists(AGAIN, min_size=1, max_size=2).flatmap(
    lambda heads: st.lists(st.tuples(st.sampled_from(heads), BODIES, SAID), min_size=2, max_size=5)
)


HEAD_WITHIN = [post(b"{}"), post(b"{}") + b"POST /b HTTP/1.1\r\nX: ", post(b"{}")]


@example(HEAD_WITHIN, [])
@given(REQUESTS.map(written), st.lists(st.integers(0, 600), max_size=3))
@bounds(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_heads_that_come_again_with_another_length_mean_what_they_say(
    requests: list[bytes], cuts: list[int]
) -> None:
    http_pieces([piece for piece in pieces_of(requests, cuts) if piece])


NAMES = st.sampled_from(
    [b"Host", b"content-length", b"Content-Length", b"Transfer-Encoding", b"Connection", b"X"]
)
VALUES = st.sampled_from(
    [
        b"h",
        b"0",
        b"2",
        b" 2 ",
        b"02",
        b"+2",
        b"2, 2",
        b"20",
        b"chunked",
        b"close",
        b"\t2",
        b"a\r\n b",
    ]
)
HEADS = st.builds(
    lambda line, pairs, end: line + b"".join(b"%b: %b\r\n" % pair for pair in pairs) + end,
    st.sampled_from([b"POST / HTTP/1.1\r\n", b"GET /a HTTP/1.1\r\n", b"POST / HTTP/1.0\r\n"]),
    st.lists(st.tuples(NAMES, VALUES), max_size=4),
    st.sampled_from([b"\r\n", b"\r\n{}", b"\n{}", b"\r\n2\r\n{}\r\n0\r\n\r\n"]),
)


@given(requests=st.lists(HEADS, min_size=1, max_size=4))
@bounds(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_was_read_before_the_same_bytes_mean_the_same(requests: list[bytes]) -> None:
    http_requests(b"".join(requests))
