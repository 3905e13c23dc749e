"""Lambda-style handlers as interceptors, with the payload contract of AgentCore."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from callgate.interceptors.lambda_answers import ContractError
from callgate.interceptors.lambda_context import Invocation
from callgate.interceptors.lambda_contract import Exchange, of_list, of_request, of_result
from callgate.interceptors.lambda_local import LocalFunction
from callgate.interceptors.lambda_remote import RemoteFunction
from callgate.interceptors.lambda_settings import MAX_PAYLOAD_BYTES, LambdaSettings
from callgate.model import Json
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Listed, Passive, Request, Result, View

INLINE_BYTES = 64 << 10  # more than this is read in a thread
MAX_DEPTH = 128  # of an answer: what a call may hold, and the contract around it


class Function(Protocol):
    """Where events go."""

    async def invoke(self, invocation: Invocation) -> bytes:
        """The answer, as JSON. Whatever it raises is its failure."""

    async def close(self) -> None:
        """Ends what it keeps open."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a handler needs to know of its place in the chain."""

    points: frozenset[str]  # as `on` has them
    timeout_seconds: float
    ticks: Callable[[], float]


class LambdaHandler(Passive):
    """Asks a function about calls as AgentCore does: REQUEST, RESPONSE or both, by its `on`.

    What a target asks of the agent's client is a RESPONSE with `isStreamingResponse` there, and
    the client's answer a REQUEST.
    """

    def __init__(self, function: Function, settings: LambdaSettings, terms: Terms) -> None:
        self._function = function
        self._settings = settings
        self._terms = terms
        self._has_requests = "request" in terms.points
        self._has_responses = not terms.points.isdisjoint({"result", "error"})
        # Its own: what others do in the default threads must not hold up an answer.
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="callgate-lambda-read")
        self._name = settings.function or (settings.handler or "").rpartition(":")[0]

    async def on_request(self, request: Request) -> Decision | None:
        """See scrutiny.Interceptor."""
        if METHODS[request.tool.method].is_asked_by_target and not self._has_responses:
            return None
        made = of_request(request, with_headers=self._settings.pass_request_headers)
        return await self._ask(request, made)

    async def on_result(self, result: Result) -> Decision | None:
        """See scrutiny.Interceptor."""
        if METHODS[result.tool.method].is_asked_by_target and not self._has_requests:
            return None
        made = of_result(result, with_headers=self._settings.pass_request_headers)
        return await self._ask(result, made)

    async def on_list(self, listed: Listed) -> Decision | None:
        """See scrutiny.Interceptor."""
        made = of_list(listed, with_headers=self._settings.pass_request_headers)
        return await self._ask(listed, made)

    async def _ask(self, view: View, made: Exchange) -> Decision | None:
        event = encode(made.event)
        if len(event) > MAX_PAYLOAD_BYTES:
            raise ContractError(f"the event has {len(event)} bytes; {MAX_PAYLOAD_BYTES} are taken")
        answer = await self._function.invoke(self._invocation(view, event))
        if len(answer) > MAX_PAYLOAD_BYTES:
            raise ContractError(f"the answer has more than {MAX_PAYLOAD_BYTES} bytes")
        if len(answer) > INLINE_BYTES:
            loop = asyncio.get_running_loop()
            return made.decision(await loop.run_in_executor(self._threads, _read, answer))
        return made.decision(_read(answer))

    def _invocation(self, view: View, event: bytes) -> Invocation:
        settings, terms = self._settings, self._terms
        return Invocation(
            event=event,
            custom={
                "GATEWAY_ARN": settings.gateway_arn,
                "GATEWAY_ACCOUNT_ID": settings.account,
                "REQUEST_ID": view.call_id,
            },
            request_id=str(uuid.uuid4()),
            function=self._name,
            deadline=terms.ticks() + terms.timeout_seconds,
            ticks=terms.ticks,
        )

    async def close(self) -> None:
        """See scrutiny.Interceptor."""
        self._threads.shutdown(wait=False)
        await self._function.close()


def load_lambda(settings: LambdaSettings, directory: Path, terms: Terms) -> LambdaHandler:
    """The interceptor for a `lambda:` block. Raises InterceptorError."""
    function: Function
    if settings.handler is not None:
        function = LocalFunction(settings.handler, directory, settings.copies)
    else:
        function = RemoteFunction(settings, terms.timeout_seconds)
    return LambdaHandler(function, settings, terms)


def _read(answer: bytes) -> Json:
    try:
        return parse_json(answer, max_depth=MAX_DEPTH)
    except Malformed as error:
        raise ContractError(f"its answer is not JSON to rely on: {error.reason}") from None
