"""A head is read once for all requests that say the same, and differs where anything in it does."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.downstream.heads import Head, Heads
from callgate.protocol.origins import Guard

OWN = [(b"host", b"localhost"), (b"content-type", b"application/json")]


def heads() -> Heads:
    return Heads(
        Guard.of(allowed_hosts=(), allowed_origins=(), is_loopback=True, admits_local_pages=True)
    )


def read(
    *more: tuple[bytes, bytes], client: Any = ("127.0.0.1", 5), of: Heads | None = None
) -> Head:
    return (of or heads()).of({"headers": [*OWN, *more], "client": client})


def test_what_means_nothing_here_does_not_make_a_head_another() -> None:
    kept = heads()
    first = read((b"traceparent", b"1"), (b"content-length", b"7"), of=kept)
    second = read((b"traceparent", b"2"), (b"content-length", b"8"), of=kept)
    assert first is second
    assert set(first.headers) == {"host", "content-type"}


@pytest.mark.parametrize(
    "more",
    [
        (b"authorization", b"Bearer b"),
        (b"x-api-key", b"k"),
        (b"mcp-session-id", b"s"),
        (b"mcp-name", b"n"),
        (b"mcp-param-region", b"eu"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"authorization", b"Bearer a"),  # a second time
    ],
)
def test_what_means_something_does(more: tuple[bytes, bytes]) -> None:
    kept = heads()
    plain = read((b"authorization", b"Bearer a"), of=kept)
    other = read((b"authorization", b"Bearer a"), more, of=kept)
    assert other is not plain
    assert other.headers != plain.headers
    assert other.headers[more[0].decode()][-1] == more[1].decode()


def test_the_proof_is_what_was_presented_and_from_where() -> None:
    kept = heads()
    local = read((b"authorization", b"Bearer a"), (b"x-api-key", b"k"), of=kept).proof
    assert (local.authorization, local.api_key, local.is_loopback) == ("Bearer a", "k", True)
    for head in (
        read(client=("10.0.0.9", 5), of=kept),
        read(client=None, of=kept),
        read((b"x-forwarded-for", b"10.0.0.9"), of=kept),
        read((b"forwarded", b"for=10.0.0.9"), of=kept),
    ):
        assert not head.proof.is_loopback


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"host", b"evil.example")], 421),
        ([(b"host", b"localhost"), (b"host", b"localhost")], 421),
        ([], 421),
        ([(b"host", b"localhost"), (b"origin", b"https://evil.example")], 403),
        ([(b"host", b"localhost"), (b"origin", b"http://localhost:3000")], None),
        ([(b"host", b"localhost:80")], None),
    ],
)
def test_host_and_origin_say_who_may_come(
    headers: list[tuple[bytes, bytes]], status: int | None
) -> None:
    head = heads().of({"headers": headers, "client": None})
    assert (head.refusal.status if head.refusal else None) == status


@pytest.mark.parametrize(
    ("accept", "status", "streams", "prefers"),
    [
        (b"application/json, text/event-stream", None, True, False),
        (b"text/event-stream, application/json", None, True, True),
        (b"text/event-stream", 406, True, False),
        (b"application/json", None, False, False),
        (b"*/*", None, False, False),
        (b"text/html", 406, False, False),
        (None, None, False, False),
    ],
)
def test_what_a_caller_accepts(
    accept: bytes | None, status: int | None, streams: bool, prefers: bool
) -> None:
    head = read(*([] if accept is None else [(b"accept", accept)]))
    assert (head.unfit.status if head.unfit else None) == status
    assert (head.may_stream, head.prefers_stream) == (streams, prefers)


@pytest.mark.parametrize("content_type", [b"text/plain", b"", b"application/jsonx"])
def test_only_json_is_posted(content_type: bytes) -> None:
    pairs = [(b"host", b"localhost"), (b"content-type", content_type)]
    head = heads().of({"headers": pairs, "client": None})
    assert head.unfit is not None
    assert head.unfit.status == 415


def test_the_version_tells_the_era() -> None:
    kept = heads()
    assert read(of=kept).is_legacy
    assert read((b"mcp-protocol-version", b"2025-11-25"), of=kept).is_legacy
    modern = read((b"mcp-protocol-version", b"2026-07-28"), of=kept)
    assert not modern.is_legacy
    assert modern.version == "2026-07-28"
    assert read((b"mcp-session-id", b"s"), of=kept).session_id == "s"
