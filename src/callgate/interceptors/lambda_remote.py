"""A Lambda function asked over the Invoke API (2015-03-31), each request signed with SigV4."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import msgspec

from callgate.aws_signing import Signer, SigningError, region_here
from callgate.closed_client import Answer, Poster, told
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.lambda_context import Invocation
from callgate.interceptors.lambda_local import FunctionError
from callgate.interceptors.lambda_settings import MAX_PAYLOAD_BYTES, LambdaSettings
from callgate.model import Json
from callgate.protocol.jsonrpc import encode


class RemoteFunction:
    """One function. Asked once for each event: nothing is tried again."""

    def __init__(self, settings: LambdaSettings, timeout_seconds: float) -> None:
        assert settings.function is not None  # noqa: S101 - the settings see to it
        region = settings.region or _region_of(settings.function)
        if region is None:
            raise InterceptorError("`region` is missing; add it, or set AWS_REGION")
        endpoint = (settings.endpoint or f"https://lambda.{region}.amazonaws.com").rstrip("/")
        # As botocore writes it: an ARN's colons are quoted.
        self._url = f"{endpoint}/2015-03-31/functions/{quote(settings.function, safe='')}"
        self._url += "/invocations"
        if settings.qualifier is not None:
            self._url += f"?Qualifier={quote(settings.qualifier, safe='')}"
        try:
            self._signer = Signer("lambda", region, settings)
        except SigningError as error:
            raise InterceptorError(f"`lambda.function` {error}") from None
        self._poster = Poster(self._url, timeout_seconds, max_bytes=MAX_PAYLOAD_BYTES)
        # Two threads of its own: what others do in theirs must not hold up a signature.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-sigv4")

    async def invoke(self, invocation: Invocation) -> bytes:
        """The function's answer as JSON. Raises FunctionError, PostError, TimeoutError."""
        loop = asyncio.get_running_loop()
        headers = await loop.run_in_executor(self._threads, self._signed, invocation)
        answer = await self._poster.post(invocation.event, headers)
        if answer.status != 200:
            raise FunctionError(_refusal(answer))
        if "x-amz-function-error" in answer.headers:
            raise FunctionError(_failure(answer))
        return answer.body

    def _signed(self, invocation: Invocation) -> dict[str, str]:
        custom = base64.b64encode(encode({"custom": dict(invocation.custom)})).decode()
        headers = {
            "Content-Type": "application/json",
            "X-Amz-Client-Context": custom,
            "X-Amz-Invocation-Type": "RequestResponse",
        }
        try:
            return self._signer.signed("POST", self._url, headers, invocation.event)
        except SigningError as error:
            raise FunctionError(str(error)) from None

    async def close(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False)
        await self._poster.close()


def _region_of(function: str) -> str | None:
    """The region in a function's ARN, or of the environment."""
    parts = function.split(":")
    if parts[0] == "arn" and len(parts) > 3 and parts[3]:
        return parts[3]
    return region_here()


def _refusal(answer: Answer) -> str:
    """What a status other than 200 means, in words."""
    if 300 <= answer.status < 400:
        return f"HTTP {answer.status}: the endpoint redirects, which is not followed"
    said = _object(answer.body)
    kind = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or said.get("Type", "")
    message = said.get("message") or said.get("Message") or ""
    return told(f"HTTP {answer.status} {kind}: {message}")


def _failure(answer: Answer) -> str:
    """What a function's own failure is: its error type and message."""
    said = _object(answer.body)
    kind = said.get("errorType") or answer.headers["x-amz-function-error"]
    return told(f"the function failed: {kind}: {said.get('errorMessage', '')}")


def _object(body: bytes) -> Mapping[str, Json]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
