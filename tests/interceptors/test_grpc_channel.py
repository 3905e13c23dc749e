"""The way to a gRPC server: deadlines, sizes, statuses, TLS, and servers that die."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.grpc_channel import Channel, GrpcError
from callgate.interceptors.grpc_messages import CHECK, CHECK_REQUEST
from callgate.interceptors.grpc_settings import GrpcSettings
from fakes.authority import Authority
from fakes.grpc_target import GrpcTarget, Hang, grpc

YES = {"status": {"code": 0}}


def a_channel(address: str, seconds: float = 30.0, **more: Any) -> Channel:
    said = {"address": address, "protocol": "ext_authz", **more}
    return Channel(GrpcSettings.model_validate(said), seconds)


def within(
    target: GrpcTarget,
    scenario: Callable[[Channel], Awaitable[None]],
    seconds: float = 30.0,
    **more: Any,
) -> None:
    async def run() -> None:
        async with target.serve() as address:
            channel = a_channel(address, seconds, **more)
            try:
                async with asyncio.timeout(60):
                    await scenario(channel)
            finally:
                await channel.close()

    asyncio.run(run())


def test_metadata_and_the_trace_go_along() -> None:
    target = GrpcTarget({CHECK: YES})

    async def scenario(channel: Channel) -> None:
        assert await channel.ask(CHECK, b"", "00-a-b-01") == b"\x0a\x00"
        await channel.ask(CHECK, b"", None)

    within(target, scenario, metadata={"authorization": "Bearer t"})

    first, second = target.metadata
    assert (first["authorization"], first["traceparent"]) == ("Bearer t", "00-a-b-01")
    assert "traceparent" not in second


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("UNAVAILABLE", r"cannot be reached \(UNAVAILABLE: because\)"),
        ("UNAUTHENTICATED", "correct `metadata`"),
        ("PERMISSION_DENIED", "turned the gateway away"),
        ("RESOURCE_EXHAUSTED", "is overloaded"),
        ("INTERNAL", r"failed \(INTERNAL: because\)"),
    ],
)
def test_a_status_of_grpc_is_a_failure_and_no_decision(status: str, words: str) -> None:
    async def scenario(channel: Channel) -> None:
        with pytest.raises(GrpcError, match=words):
            await channel.ask(CHECK, b"", None)

    within(GrpcTarget({CHECK: grpc.StatusCode[status]}), scenario)


def test_a_server_that_speaks_something_else_is_told_apart() -> None:
    async def scenario(channel: Channel) -> None:
        with pytest.raises(GrpcError, match="does not speak this; correct `protocol`"):
            await channel.ask(CHECK, b"", None)

    within(GrpcTarget({CHECK_REQUEST: {}}), scenario)


def test_a_slow_server_times_out_and_learns_that_nobody_waits() -> None:
    target = GrpcTarget({CHECK: Hang})

    async def scenario(channel: Channel) -> None:
        with pytest.raises(TimeoutError, match="did not answer within 2 s"):
            await channel.ask(CHECK, b"", None)
        while not target.cancelled:  # noqa: ASYNC110 - the server is no part of ours
            await asyncio.sleep(0.01)

    within(target, scenario, 2.0)


def test_a_cancelled_call_is_cancelled_there_too() -> None:
    target = GrpcTarget({CHECK: Hang})

    async def scenario(channel: Channel) -> None:
        asking = asyncio.ensure_future(channel.ask(CHECK, b"", None))
        while not target.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        asking.cancel()
        while not target.cancelled:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await asking

    within(target, scenario, 30.0)


def test_messages_are_bounded_both_ways() -> None:
    target = GrpcTarget({CHECK: {"status": {"message": "x" * 2000}}})

    async def scenario(channel: Channel) -> None:
        with pytest.raises(GrpcError, match="2000 bytes is more than `max_request_bytes`"):
            await channel.ask(CHECK, b"x" * 2000, None)
        assert target.asked == []
        with pytest.raises(GrpcError, match="a message is too large"):
            await channel.ask(CHECK, b"", None)

    within(target, scenario, max_request_bytes=1024, max_response_bytes=1024)


def test_a_server_that_dies_is_a_failure_and_is_found_again(tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/s"

    async def run() -> None:
        channel = a_channel(address)
        with pytest.raises(GrpcError, match="cannot be reached"):
            await channel.ask(CHECK, b"", None)
        target = GrpcTarget({CHECK: Hang})
        async with target.serve(address=address):
            asking = asyncio.ensure_future(ask_until_there(channel))
            while not target.asked:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        with pytest.raises(GrpcError, match=r"UNAVAILABLE|CANCELLED"):
            await asking
        async with GrpcTarget({CHECK: YES}).serve(address=address):
            assert await ask_until_there(channel) == b"\x0a\x00"
        await channel.close()

    async def ask_until_there(channel: Channel) -> bytes:
        """It tries to connect again after a moment; until then it says so at once."""
        for _ in range(1200):
            try:
                return await channel.ask(CHECK, b"", None)
            except GrpcError as error:
                if "onnect" not in str(error):
                    raise
                await asyncio.sleep(0.05)
        raise AssertionError

    asyncio.run(run())


def test_it_works_on_the_event_loop_of_the_gateway() -> None:
    async def run() -> None:
        async with GrpcTarget({CHECK: YES}).serve() as address:
            channel = a_channel(address)
            answers = await asyncio.gather(*(channel.ask(CHECK, b"", None) for _ in range(50)))
            assert set(answers) == {b"\x0a\x00"}
            await channel.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def server_side(authority: Authority, *, asks_clients: bool = False) -> Any:
    certificate, key = authority.issue("localhost")
    return grpc.ssl_server_credentials(
        [(key.read_bytes(), certificate.read_bytes())],
        root_certificates=authority.file.read_bytes() if asks_clients else None,
        require_client_auth=asks_clients,
    )


def ask_over_tls(credentials: Any, **more: Any) -> GrpcTarget:
    target = GrpcTarget({CHECK: YES})

    async def run() -> None:
        async with target.serve(credentials) as address:
            channel = a_channel(address.replace("127.0.0.1", "localhost"), **more)
            try:
                assert await channel.ask(CHECK, b"", None) == b"\x0a\x00"
            finally:
                await channel.close()

    asyncio.run(run())
    return target


def test_tls_trusts_the_authority_that_is_named_and_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    other = Authority(tmp_path, "other")

    ask_over_tls(server_side(authority), authority=str(authority.file))
    with pytest.raises(GrpcError, match="cannot be reached"):
        ask_over_tls(server_side(authority), authority=str(other.file))
    with pytest.raises(GrpcError, match="cannot be reached"):
        ask_over_tls(server_side(authority), tls=True)


def test_mutual_tls_shows_who_asks(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("gateway", is_client=True)
    server = server_side(authority, asks_clients=True)
    mine = {"certificate": str(certificate), "key": str(key), "authority": str(authority.file)}

    target = ask_over_tls(server, **mine)

    assert target.peers[0]["x509_common_name"] == [b"gateway"]
    with pytest.raises(GrpcError, match="cannot be reached"):
        ask_over_tls(server, authority=str(authority.file))


@pytest.mark.parametrize(
    ("content", "words"), [(None, "cannot be read"), (b"junk", "holds no certificate in PEM")]
)
def test_files_that_cannot_be_used_are_named(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(InterceptorError, match=f"ca.pem {words}"):
        a_channel("h:1", authority=str(file))
