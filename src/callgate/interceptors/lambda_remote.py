"""A Lambda function asked over the Invoke API (2015-03-31), each request signed with SigV4."""

from __future__ import annotations

import asyncio
import base64
import importlib
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import msgspec

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.lambda_context import Invocation
from callgate.interceptors.lambda_local import FunctionError
from callgate.interceptors.lambda_settings import MAX_PAYLOAD_BYTES, LambdaSettings
from callgate.interceptors.posting import Answer, Poster
from callgate.model import Json
from callgate.protocol.jsonrpc import encode

MAX_TOLD_CHARACTERS = 200  # of what a function or an endpoint says of its own failure
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")


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
        self._signer = _Signer(settings, region)
        self._poster = Poster(
            self._url, timeout_seconds=timeout_seconds, max_bytes=MAX_PAYLOAD_BYTES
        )
        # Two threads of its own: what others do in theirs must not hold up a signature.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-sigv4")

    async def invoke(self, invocation: Invocation) -> bytes:
        """The function's answer as JSON. Raises FunctionError, PostError, TimeoutError."""
        loop = asyncio.get_running_loop()
        headers = await loop.run_in_executor(
            self._threads, self._signer.signed, self._url, invocation
        )
        answer = await self._poster.post(headers, invocation.event)
        if answer.status != 200:
            raise FunctionError(_refusal(answer))
        if "x-amz-function-error" in answer.headers:
            raise FunctionError(_failure(answer))
        return answer.body

    async def close(self) -> None:
        """Closes the connections."""
        self._threads.shutdown(wait=False)
        await self._poster.close()


class _Signer:
    """Signs with botocore, which also knows every place where credentials may be."""

    def __init__(self, settings: LambdaSettings, region: str) -> None:
        try:
            self._auth = importlib.import_module("botocore.auth")
            self._request = importlib.import_module("botocore.awsrequest")
            self._known = importlib.import_module("botocore.credentials")
            self._sessions = importlib.import_module("botocore.session")
        except ImportError:
            raise InterceptorError(
                "`lambda.function` needs botocore; install callgate[aws]"
            ) from None
        self._region = region
        self._credentials: Any = None
        if settings.access_key_id is not None and settings.secret_access_key is not None:
            token = settings.session_token
            self._credentials = self._known.Credentials(
                settings.access_key_id.get_secret_value(),
                settings.secret_access_key.get_secret_value(),
                None if token is None else token.get_secret_value(),
            )

    def signed(self, url: str, invocation: Invocation) -> dict[str, str]:
        """The headers of a signed request. Blocking: credentials may come from elsewhere."""
        custom = base64.b64encode(encode({"custom": dict(invocation.custom)})).decode()
        request = self._request.AWSRequest(
            method="POST",
            url=url,
            data=invocation.event,
            headers={
                "Content-Type": "application/json",
                "X-Amz-Client-Context": custom,
                "X-Amz-Invocation-Type": "RequestResponse",
            },
        )
        if self._credentials is None:
            self._credentials = self._sessions.Session().get_credentials()
        if self._credentials is None:
            raise FunctionError(
                "no AWS credentials were found; set `access_key_id` and `secret_access_key`, or "
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        frozen = self._credentials.get_frozen_credentials()
        self._auth.SigV4Auth(frozen, "lambda", self._region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}


def _region_of(function: str) -> str | None:
    """The region in a function's ARN, or of the environment."""
    parts = function.split(":")
    if parts[0] == "arn" and len(parts) > 3 and parts[3]:
        return parts[3]
    return next((found for name in REGION_VARIABLES if (found := os.environ.get(name))), None)


def _refusal(answer: Answer) -> str:
    """What a status other than 200 means, in words."""
    if 300 <= answer.status < 400:
        return f"HTTP {answer.status}: the endpoint redirects, which is not followed"
    said = _object(answer.body)
    kind = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or said.get("Type", "")
    message = said.get("message") or said.get("Message") or ""
    return _told(f"HTTP {answer.status} {kind}: {message}")


def _failure(answer: Answer) -> str:
    """What a function's own failure is: its error type and message."""
    said = _object(answer.body)
    kind = said.get("errorType") or answer.headers["x-amz-function-error"]
    return _told(f"the function failed: {kind}: {said.get('errorMessage', '')}")


def _object(body: bytes) -> Mapping[str, Json]:
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _told(text: str) -> str:
    return "".join(c for c in text if c.isprintable())[:MAX_TOLD_CHARACTERS]
