"""AgentCore's payload contract 1.0: what a function is sent about a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from callgate.interceptors.lambda_answers import (
    HTTP_METHOD,
    PATH,
    ContractError,
    Object,
    read_asked,
    read_client_answer,
    read_list,
    read_request,
    read_result,
)
from callgate.model import CALL_TOOL, Json, qualify
from callgate.protocol.jsonrpc import encode
from callgate.protocol.methods import METHODS
from callgate.protocol.naming import shown_uri
from callgate.scrutiny import Decision, Listed, Request, Result, View

VERSION = "1.0"
LISTS: Mapping[str, str] = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
"""The method that lists → the member of its result that holds the items."""


class Exchange:
    """One event for a function, and what its answer means for the call that the view shows.

    On the wire of AgentCore there is one route only, so that tools and prompts always have their
    full names here, `<target>___<tool>`: what a function knows a tool by must not depend on the
    route that its caller took. The JSON-RPC id is the call's id in the record.
    """

    def __init__(self, event: Object, read: Callable[[Object], Decision | None]) -> None:
        self.event = event
        self._read = read

    def decision(self, output: Json) -> Decision | None:
        """What the function wants done. Raises ContractError."""
        if not isinstance(output, dict):
            raise ContractError(f"it returned {type(output).__name__}; return an object")
        version = output.get("interceptorOutputVersion")
        if version != VERSION:
            raise ContractError(f'interceptorOutputVersion is {version!r:.40}; it must be "1.0"')
        mcp = output.get("mcp")
        if not isinstance(mcp, dict):
            raise ContractError("the answer has no object `mcp`")
        return self._read(mcp)


def of_request(view: Request, *, with_headers: bool) -> Exchange:
    """REQUEST for what an agent asks; RESPONSE for what a target asks of the agent's client."""
    message: Object = {"jsonrpc": "2.0", "id": view.call_id, "method": view.tool.method}
    message["params"] = _params(view, view.arguments)
    if METHODS[view.tool.method].is_asked_by_target:
        event = _event(view, {}, with_headers)
        event["mcp"]["gatewayResponse"] = _response(message, is_streaming=True)
        return Exchange(event, lambda mcp: read_asked(view, message, mcp))
    return Exchange(
        _event(view, message, with_headers), lambda mcp: read_request(view, message, mcp)
    )


def of_result(view: Result, *, with_headers: bool) -> Exchange:
    """RESPONSE for what a target answered; REQUEST for what the agent's client answered it."""
    answer: Object = {"jsonrpc": "2.0", "id": view.call_id}
    if is_protocol_error(view):
        answer["error"] = view.result["error"]
    else:
        answer["result"] = view.result
    if METHODS[view.tool.method].is_asked_by_target:
        event = _event(view, answer, with_headers)
        return Exchange(event, lambda mcp: read_client_answer(answer, mcp))
    message: Object = {"jsonrpc": "2.0", "id": view.call_id, "method": view.tool.method}
    message["params"] = _params(view, view.arguments)
    event = _event(view, message, with_headers)
    event["mcp"]["gatewayResponse"] = _response(answer)
    return Exchange(event, lambda mcp: read_result(answer, mcp))


def of_list(view: Listed, *, with_headers: bool) -> Exchange:
    """RESPONSE for a list, all of it at once, as the caller is about to see it."""
    member = LISTS[view.tool.method]
    message: Object = {"jsonrpc": "2.0", "id": view.call_id, "method": view.tool.method}
    message["params"] = {"_meta": dict(view.meta)} if view.meta else {}
    items, names = _shown_items(view)
    answer: Object = {"jsonrpc": "2.0", "id": view.call_id, "result": {member: items}}
    event = _event(view, message, with_headers)
    event["mcp"]["gatewayResponse"] = _response(answer)
    return Exchange(event, lambda mcp: read_list(answer, member, names, mcp))


def is_protocol_error(view: Result) -> bool:
    """Whether the target answered with a JSON-RPC error: a failed tool's result has `isError`."""
    return view.is_error and set(view.result) == {"error"}


def _event(view: View, message: Object, with_headers: bool) -> Object:
    request: Object = {
        "path": PATH,
        "httpMethod": HTTP_METHOD,
        "headers": dict(view.headers) if with_headers else {},
        "body": message,
    }
    raw = {"body": encode(message).decode()}
    mcp: Object = {"rawGatewayRequest": raw, "gatewayRequest": request}
    return {"interceptorInputVersion": VERSION, "mcp": mcp}


def _response(message: Object, *, is_streaming: bool = False) -> Object:
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": message,
        "isStreamingResponse": is_streaming,
    }


def _params(view: View, arguments: Object) -> Object:
    if view.tool.method == CALL_TOOL:
        params: Object = {"name": view.tool.qualified_name, "arguments": arguments}
    else:
        params = dict(arguments)
        key = METHODS[view.tool.method].names
        if key is not None and isinstance(params.get(key), str):
            params[key] = _shown(view.tool.target, key, params[key])
    if view.meta:
        params["_meta"] = dict(view.meta)
    return params


def _shown(target: str, key: str, value: str) -> str:
    """A name or URI of a target as the aggregated route shows it; ids of tasks have no such."""
    if key == "name":
        return qualify(target, value)
    return shown_uri(target, value) if key in ("uri", "uriTemplate") else value


def _shown_items(view: Listed) -> tuple[list[Json], dict[str, tuple[str, str]]]:
    """The items under the names of the aggregated route; each such name → (member, as it was)."""
    names: dict[str, tuple[str, str]] = {}
    items: list[Json] = []
    for target, item in zip(view.targets, view.items, strict=True):
        key = next((key for key in ("uriTemplate", "uri") if key in item), "name")
        own = item.get(key)
        if isinstance(own, str):
            is_shown_already = not view.tool.target  # the list of the aggregated route
            name = own if is_shown_already else _shown(target, key, own)
            names[name] = (key, own)
            item = {**item, key: name}
        items.append(item)
    return items, names
