"""What was sent is known exactly, and leaving an exchange closes its connection at once."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError
from callgate.upstream import http_client
from callgate.upstream.faults import Lost, Unreachable
from callgate.upstream.http_client import LINGER_BYTES, Exchange, HttpClient
from fakes.http_target import HttpTarget, Seen, Talk
from fakes.store import until

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


def client_of(url: str, seconds: float = 30.0) -> HttpClient:
    return HttpClient(url, [("X-Static", "yes")], seconds)


async def until_kept(client: HttpClient, number: int) -> None:
    """Waits until so many connections could be used again: what peers do takes its time."""
    await until(lambda: sum(one.is_usable for one in client._idle) == number)


async def body_of(exchange: Exchange, max_bytes: int = 1 << 20) -> bytes:
    async with exchange:
        return await exchange.read(max_bytes)


async def echo(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, seen.body, "text/plain", X_Path=seen.path)


def test_requests_share_one_connection_and_carry_their_headers(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(echo) as target:
            client = client_of(target.url + "?q=1")
            for body in (b"one", b"two"):
                exchange = client.request("POST", [("X-Own", "1")], body)
                async with exchange:
                    assert exchange.status == 200
                    assert exchange.headers["x-path"] == "/mcp?q=1"
                    assert await exchange.read(100) == body
            client.close()
            assert target.connections == 1
            headers = target.seen[0].headers
            assert (headers["x-static"], headers["x-own"]) == ("yes", "1")
            assert headers["host"] == target.url.split("/")[2]

    run(scenario())


def test_concurrent_requests_use_connections_of_their_own(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(echo) as target:
            client = client_of(target.url)
            bodies = [str(number).encode() * 1000 for number in range(20)]
            found = await asyncio.gather(
                *(body_of(client.request("POST", body=body)) for body in bodies)
            )
            assert found == bodies
            client.close()

    run(scenario())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://no-such-host.invalid/"])
def test_a_target_that_is_not_there_is_unreachable_and_nothing_is_sent(run: Run, url: str) -> None:
    async def scenario() -> None:
        exchange = client_of(url).request("POST", body=b"x")
        with pytest.raises(Unreachable):
            async with exchange:
                pass
        assert not exchange.is_sent

    run(scenario())


def test_a_handshake_that_never_ends_is_unreachable(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(echo) as target:  # waits for a request that TLS never sends
            exchange = client_of(target.url.replace("http:", "https:"), 0.1).request("POST")
            with pytest.raises(Unreachable, match="no connection within"):
                async with exchange:
                    pass
            assert not exchange.is_sent

    run(scenario())


def certificate(directory: Path) -> tuple[Path, ssl.SSLContext]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    today = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - certificates live in real time
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(today - datetime.timedelta(days=1))
        .not_valid_after(today + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, secret = directory / "cert.pem", directory / "key.pem"
    pem.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, secret)
    return pem, context


def test_a_certificate_nobody_vouches_for_is_unreachable(run: Run, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with HttpTarget(echo, tls=certificate(tmp_path)[1]) as target:
            exchange = client_of(target.url).request("POST", body=b"secret")
            with pytest.raises(Unreachable, match=r"(?i)certificate"):
                async with exchange:
                    pass
            assert not exchange.is_sent
            assert target.seen == []

    run(scenario())


def test_tls_with_a_trusted_certificate_works_and_its_connection_is_kept(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))

    async def scenario() -> None:
        async with HttpTarget(echo, tls=context) as target:
            client = client_of(target.url)
            for _ in range(2):
                assert await body_of(client.request("POST", body=b"hello")) == b"hello"
            assert target.connections == 1
            client.close()

    run(scenario())


def test_cancelling_before_the_head_closes_the_connection(run: Run) -> None:
    async def scenario() -> None:
        arrived, closed = asyncio.Event(), asyncio.Event()

        async def hang(_seen: Seen, talk: Talk) -> None:
            arrived.set()
            await talk.until_peer_hangs_up()
            closed.set()

        async with HttpTarget(hang) as target:
            task = asyncio.ensure_future(body_of(client_of(target.url).request("POST")))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 30)

    run(scenario())


def test_cancelling_within_the_body_closes_the_connection(run: Run) -> None:
    async def scenario() -> None:
        started, closed = asyncio.Event(), asyncio.Event()

        async def drip(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.chunk(b": hi\n\n")
            await talk.until_peer_hangs_up()
            closed.set()

        async def read(exchange: Exchange) -> None:
            async with exchange:
                assert await exchange.chunk() == b": hi\n\n"
                started.set()
                await exchange.chunk()

        async with HttpTarget(drip) as target:
            task = asyncio.ensure_future(read(client_of(target.url).request("POST")))
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.wait_for(closed.wait(), 30)

    run(scenario())


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"", Lost),
        (b"HTTP/1.1 200", Lost),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", Lost),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Lost),
        (b"SSH-2.0-OpenSSH_9\r\n", HttpError),
    ],
)
def test_an_answer_cut_short_is_lost_after_it_was_sent(
    run: Run, said: bytes, error: type[Exception]
) -> None:
    async def scenario() -> None:
        async def answer(_seen: Seen, talk: Talk) -> None:
            await talk.raw(said)
            await talk.hang_up()

        async with HttpTarget(answer) as target:
            exchange = client_of(target.url).request("POST", body=b"x")
            with pytest.raises(error):
                await body_of(exchange)
            assert exchange.is_sent

    run(scenario())


def test_a_connection_the_server_closed_meanwhile_is_not_used_again(run: Run) -> None:
    async def scenario() -> None:
        async def once(seen: Seen, talk: Talk) -> None:
            await echo(seen, talk)
            await talk.hang_up()

        async with HttpTarget(once) as target:
            client = client_of(target.url)
            for _ in range(3):
                assert await body_of(client.request("POST", body=b"x")) == b"x"
                await until_kept(client, 0)
            assert target.connections == 3
            client.close()

    run(scenario())


def test_what_nobody_asked_for_ends_the_connection(run: Run) -> None:
    async def scenario() -> None:
        is_read = asyncio.Event()

        async def chatty(seen: Seen, talk: Talk) -> None:
            await talk.respond(200, b"ok")
            await is_read.wait()
            is_read.clear()
            await talk.respond(200, b"smuggled")

        async with HttpTarget(chatty) as target:
            client = client_of(target.url)
            for _ in range(2):
                assert await body_of(client.request("POST")) == b"ok"
                assert len(client._idle) == 1
                is_read.set()
                await until_kept(client, 0)
            assert target.connections == 2
            client.close()

    run(scenario())


def test_a_response_over_the_bound_is_not_read_further(run: Run) -> None:
    async def scenario() -> None:
        sent = 0

        async def flood(_seen: Seen, talk: Talk) -> None:
            nonlocal sent
            await talk.stream()
            while True:
                await talk.chunk(b"x" * 65536)
                sent += 65536

        async with HttpTarget(flood) as target:
            client = client_of(target.url)
            with pytest.raises(FramingError):
                await body_of(client.request("POST"), 1 << 20)
            await asyncio.sleep(0.05)
            assert sent < 32 << 20
            client.close()

    run(scenario())


def test_a_reader_who_pauses_holds_the_sender_back(run: Run) -> None:
    async def scenario() -> None:
        sent = 0

        async def flood(_seen: Seen, talk: Talk) -> None:
            nonlocal sent
            await talk.stream()
            for _ in range(1000):
                await talk.chunk(b"x" * 65536)
                sent += 65536
            await talk.end_stream()

        async with HttpTarget(flood) as target:
            client = client_of(target.url)
            exchange = client.request("POST")
            async with exchange:
                await asyncio.sleep(0.2)
                assert sent < 32 << 20  # what sockets and the pause bound hold
                assert len(await exchange.read(100 << 20)) == 1000 * 65536
            client.close()

    run(scenario())


def test_an_answered_stream_may_end_well_and_its_connection_is_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "LINGER_SECONDS", 30.0)

    async def scenario() -> None:
        is_left = asyncio.Event()

        async def stream(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.chunk(b"data: x\n\n")
            await is_left.wait()
            is_left.clear()
            await talk.end_stream()

        async with HttpTarget(stream) as target:
            client = client_of(target.url)
            for _ in range(2):
                exchange = client.request("POST")
                async with exchange:
                    assert await exchange.chunk() == b"data: x\n\n"
                    exchange.is_answered = True
                is_left.set()
                await until_kept(client, 1)
            assert target.connections == 1
            client.close()

    run(scenario())


def test_an_answered_stream_that_goes_on_and_on_is_closed(run: Run) -> None:
    async def scenario() -> None:
        closed = asyncio.Event()

        async def stream(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            try:
                while True:
                    await talk.chunk(b"x" * LINGER_BYTES)
            except ConnectionError:
                closed.set()

        async with HttpTarget(stream) as target:
            client = client_of(target.url)
            exchange = client.request("POST")
            async with exchange:
                await exchange.chunk()
                exchange.is_answered = True
            await asyncio.wait_for(closed.wait(), 30)
            client.close()

    run(scenario())


def test_closing_ends_what_is_in_flight_and_refuses_what_comes(run: Run) -> None:
    async def scenario() -> None:
        arrived = asyncio.Event()

        async def hang(_seen: Seen, talk: Talk) -> None:
            arrived.set()
            await talk.until_peer_hangs_up()

        async with HttpTarget(hang) as target:
            client = client_of(target.url)
            task = asyncio.ensure_future(body_of(client.request("POST")))
            await arrived.wait()
            client.close()
            with pytest.raises(Lost):
                await task
            with pytest.raises(Unreachable):
                await body_of(client.request("POST"))

    run(scenario())


def test_wanted_headers_go_with_one_request_and_replace_those_of_every_request(run: Run) -> None:
    async def scenario() -> None:
        async with HttpTarget(echo) as target:
            always = [("X-Static", "yes"), ("Authorization", "Bearer ours")]
            client = HttpClient(target.url, always, 5.0, frozenset({"authorization", "x-tenant"}))
            wanted = {"authorization": "Bearer theirs", "x-tenant": "a", "x-static": "no"}
            for each in (wanted, {}, None):
                await body_of(client.request("POST", wanted=each))
            client.close()
            first, *others = (seen.headers for seen in target.seen)
            assert (first["authorization"], first["x-tenant"]) == ("Bearer theirs", "a")
            assert first["x-static"] == "yes"
            for headers in others:
                assert headers["authorization"] == "Bearer ours" and "x-tenant" not in headers

    run(scenario())


def test_a_wanted_header_cannot_end_its_line(run: Run) -> None:
    async def scenario() -> None:
        client = HttpClient("http://127.0.0.1:1/", [], 5.0, frozenset({"x-tenant"}))
        with pytest.raises(ValueError, match="cannot be sent"):
            client.request("POST", wanted={"x-tenant": "a\r\nHost: evil"})

    run(scenario())
