"""Functions over the Invoke API: signed, asked once, and every way to fail."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.closed_client import PostError
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.lambda_context import Invocation
from callgate.interceptors.lambda_local import FunctionError
from callgate.interceptors.lambda_remote import RemoteFunction
from callgate.interceptors.lambda_settings import MAX_PAYLOAD_BYTES, LambdaSettings
from fakes.http_target import Answer, Seen, Talk
from fakes.invoking import ACCESS_KEY, REGION, SECRET_KEY, FakeLambda

ARN = f"arn:aws:lambda:{REGION}:123456789012:function:guard"
CUSTOM = {"GATEWAY_ARN": "arn", "REQUEST_ID": "c1"}
KEYS = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Nothing of the machine's own is found: neither variables, files nor a role."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


async def invoked(
    endpoint: FakeLambda, event: bytes = b'{"a":1}', custom: Any = CUSTOM, **settings: Any
) -> bytes:
    async with endpoint.server() as server:
        url = server.url.removesuffix("/mcp")
        made = {"function": "guard", "endpoint": url, "region": REGION, **KEYS, **settings}
        function = RemoteFunction(LambdaSettings(**made), 5.0)
        try:
            invocation = Invocation(event=event, custom=custom, request_id="r")
            return await function.invoke(invocation)
        finally:
            await function.close()


def echo(event: Any, context: Any) -> Any:
    return {"got": event, "id": context.client_context.custom["REQUEST_ID"]}


@pytest.mark.parametrize("name", ["guard", ARN, f"{ARN}:live", "123456789012:function:guard"])
def test_a_function_is_invoked_by_name_or_arn_with_a_signature_that_holds(name: str) -> None:
    endpoint = FakeLambda({name: echo})

    answer = asyncio.run(invoked(endpoint, function=name))

    assert json.loads(answer) == {"got": {"a": 1}, "id": "c1"}
    assert endpoint.contexts == [{"custom": CUSTOM}]


def test_a_qualifier_is_signed_too() -> None:
    endpoint = FakeLambda({"guard": echo})

    asyncio.run(invoked(endpoint, qualifier="$LATEST"))

    assert endpoint.qualifiers == ["$LATEST"]


def test_temporary_credentials_carry_their_token() -> None:
    endpoint = FakeLambda({"guard": echo}, token="t0ken")

    assert asyncio.run(invoked(endpoint, session_token="t0ken"))


def test_credentials_and_region_may_be_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_REGION", REGION)
    endpoint = FakeLambda({"guard": echo})
    nothing: dict[str, Any] = {"access_key_id": None, "secret_access_key": None, "region": None}

    assert asyncio.run(invoked(endpoint, **nothing))


def test_without_credentials_nothing_is_asked() -> None:
    endpoint = FakeLambda({"guard": echo})

    with pytest.raises(FunctionError, match="no AWS credentials were found"):
        asyncio.run(invoked(endpoint, access_key_id=None, secret_access_key=None))
    assert endpoint.events == []


def test_the_region_is_needed_and_taken_from_an_arn() -> None:
    with pytest.raises(InterceptorError, match="`region` is missing"):
        RemoteFunction(LambdaSettings(function="guard"), 5.0)
    assert asyncio.run(invoked(FakeLambda({ARN: echo}), function=ARN, region=None))


def test_a_signature_by_another_key_is_turned_down() -> None:
    with pytest.raises(FunctionError, match="HTTP 403 InvalidSignatureException: The request sig"):
        asyncio.run(invoked(FakeLambda({"guard": echo}), secret_access_key="x" * 40))


def test_a_function_that_fails_says_how() -> None:
    def fail(event: Any, context: Any) -> Any:
        raise ValueError("broken\n" + "x" * 500)

    with pytest.raises(FunctionError, match="the function failed: ValueError: broken") as raised:
        asyncio.run(invoked(FakeLambda({"guard": fail})))
    assert len(str(raised.value)) == 200


def test_a_function_that_is_not_there_is_said() -> None:
    with pytest.raises(FunctionError, match="HTTP 404 ResourceNotFoundException: Function not"):
        asyncio.run(invoked(FakeLambda()))


async def huge(seen: Seen, talk: Talk) -> None:
    await talk.respond(200, b'"' + b"x" * MAX_PAYLOAD_BYTES + b'"')


async def redirect(seen: Seen, talk: Talk) -> None:
    await talk.respond(307, Location="https://elsewhere.example/")


async def busy(seen: Seen, talk: Talk) -> None:
    await talk.json({"Reason": "ReservedFunctionConcurrentInvocationLimitExceeded"}, 429)


async def broken(seen: Seen, talk: Talk) -> None:
    await talk.respond(500, b"<html>", "text/html")


async def accepted(seen: Seen, talk: Talk) -> None:
    await talk.respond(202)


async def cut(seen: Seen, talk: Talk) -> None:
    await talk.raw(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"a"')
    await talk.hang_up()


async def junk(seen: Seen, talk: Talk) -> None:
    await talk.raw(b"SSH-2.0-x\r\n\r\n")
    await talk.hang_up()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (huge, PostError, f"more than {MAX_PAYLOAD_BYTES} bytes"),
        (redirect, FunctionError, "redirects, which is not followed"),
        (busy, FunctionError, "HTTP 429"),
        (broken, FunctionError, "HTTP 500"),
        (accepted, FunctionError, "HTTP 202"),
        (cut, PostError, "cannot be used"),
        (junk, PostError, "cannot be used"),
    ],
)
def test_anything_but_a_whole_answer_is_a_failure(
    answer: Answer, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        asyncio.run(invoked(FakeLambda(answer=answer)))


def test_nothing_listens_there() -> None:
    settings = LambdaSettings(
        **{"function": "guard", "endpoint": "http://127.0.0.1:1", "region": REGION, **KEYS}  # type: ignore[arg-type]
    )

    async def scenario() -> None:
        function = RemoteFunction(settings, 5.0)
        with pytest.raises(PostError, match="cannot be used"):
            await function.invoke(Invocation(event=b"{}", custom={}, request_id="r"))
        await function.close()

    asyncio.run(scenario())
