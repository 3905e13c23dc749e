"""agentgateway's ExtMcp: requests, results and lists as the JSON of MCP, to pass or to change."""

from __future__ import annotations

from typing import Any

from callgate.interceptors.grpc_channel import Channel, GrpcError
from callgate.interceptors.grpc_messages import CHECK_REQUEST, CHECK_RESPONSE, fill, messages
from callgate.interceptors.grpc_metadata import (
    facts_and_labels,
    headers_of,
    parsed,
    reason_of,
    told_of,
)
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.mcp_descriptors import McpError
from callgate.interceptors.mcp_payloads import Matter, matter_of
from callgate.model import Json
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.scrutiny import Decision, Listed, Request, Result

MAX_DEPTH = 128
CODES = {1: "permission denied", 2: "resource exhausted", 3: "invalid"}


class ExtMcp:
    """Asks about requests, results and lists: may they pass, and as what."""

    def __init__(self, settings: GrpcSettings, channel: Channel) -> None:
        self._settings = settings
        self._channel = channel

    async def ask(self, view: Request | Result | Listed, trace: str | None) -> Decision | None:
        """Raises GrpcError, TimeoutError."""
        matter = matter_of(view, is_bare=True)
        is_request = isinstance(view, Request)
        question = self._question(matter, is_request=is_request).SerializeToString()
        path = CHECK_REQUEST if is_request else CHECK_RESPONSE
        answer = await self._channel.ask(path, question, trace)
        kind = "McpRequestResult" if is_request else "McpResponseResult"
        said = parsed(messages()[kind], answer)
        chosen = said.WhichOneof("result")
        if chosen is None:
            raise GrpcError("its answer holds no result: neither pass nor mutated nor error")
        if chosen == "error":
            return _refusal(said.error, is_request=is_request)
        wanted = self._beside(said) if is_request else {}
        if chosen == "mutated":
            return _changed(matter, said.mutated, wanted)
        return Decision(**wanted) if wanted else None

    def _question(self, matter: Matter, *, is_request: bool) -> Any:
        view = matter.view
        question = messages()["McpRequest" if is_request else "McpResponse"]()
        question.service_names.extend(_targets(matter))
        question.method = matter.event
        fill(question.metadata_context, told_of(view, omit=frozenset(self._settings.omit)))
        body = encode(matter.payload)
        if not is_request:
            question.mcp_response = body
            return question
        question.mcp_request = body
        for name, value in view.headers.items():
            question.headers.add(key=name, value=value.encode())
        return question

    def _beside(self, said: Any) -> dict[str, Any]:
        wanted = facts_and_labels(said.metadata, self._settings)
        headers = headers_of(said.header_mutation.set)
        return {**wanted, "headers": headers} if headers else wanted


def _targets(matter: Matter) -> list[str]:
    view = matter.view
    if isinstance(view, Listed):
        return list(dict.fromkeys(view.targets))
    return [view.tool.target]


def _changed(matter: Matter, body: bytes, wanted: dict[str, Any]) -> Decision:
    try:
        payload = parse_json(body, max_depth=MAX_DEPTH)
        changed = matter.wanted(payload)
    except Malformed as error:
        raise GrpcError(f"what it changes is not JSON to rely on: {error.reason}") from None
    except McpError as error:
        raise GrpcError(str(error)) from None
    parts = ("arguments", "items", "result")
    return Decision(**wanted, **{part: getattr(changed, part) for part in parts})


def _refusal(error: Any, *, is_request: bool) -> Decision:
    code = CODES.get(error.code, "no")
    reason = reason_of(
        error.reason, _message_of(error.mcp_error), otherwise=f"The policy server says: {code}."
    )
    note = f"error, code {error.code}"
    return (
        Decision(refuse=reason, note=note) if is_request else Decision(withhold=reason, note=note)
    )


def _message_of(body: bytes) -> str:
    """The message of a JSON-RPC error that it gives; "" where there is none."""
    try:
        error: Json = parse_json(body, max_depth=MAX_DEPTH) if body else {}
    except Malformed:
        return ""  # it says no all the same
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else ""
