"""AgentCore's payload contract 1.0: what a function's answer means for the call."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.audit.patch import patch
from callgate.model import CALL_TOOL, Json
from callgate.protocol.methods import METHODS
from callgate.scrutiny import Decision, Request

PATH, HTTP_METHOD = "/mcp", "POST"  # of every request, as a function sees it

Object = dict[str, Json]


class ContractError(Exception):
    """What a function answered is not what contract 1.0 allows, or wants what it may not."""


def read_request(view: Request, message: Object, mcp: Object) -> Decision | None:
    """What becomes of an agent's request. Raises ContractError."""
    _only(mcp, "mcp", "transformedGatewayRequest", "transformedGatewayResponse")
    response = _part(mcp, "transformedGatewayResponse")
    if response is not None:
        return _read_short_circuit(message, response)
    request = _part(mcp, "transformedGatewayRequest")
    if request is None:
        return None
    headers = _read_headers(request)
    body = request.get("body")
    arguments = None
    if body is not None:
        _check_message(message, body, "method", "params")
        arguments = _read_arguments(view, message, body)
    if headers is None and arguments is None:
        return None
    return Decision(arguments=arguments, headers=headers)


def _read_headers(request: Object) -> dict[str, str] | None:
    _only(request, "transformedGatewayRequest", "headers", "body", "path", "httpMethod")
    for key, fixed in (("path", PATH), ("httpMethod", HTTP_METHOD)):
        if request.get(key, fixed) != fixed:
            raise ContractError(f"it changed `{key}`, which cannot be changed")
    headers = request.get("headers")
    if headers is None:
        return None
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise ContractError("transformedGatewayRequest.headers must be an object of texts")
    return {name.lower(): value for name, value in headers.items()} or None


def _read_arguments(view: Request, message: Object, body: Object) -> Object | None:
    """What replaces the arguments; None where they are as they were."""
    before, params = message["params"], body.get("params", {})
    if _is_same(params, before):
        return None
    if not isinstance(params, dict):
        raise ContractError("`params` must be an object")
    if "_meta" in params and not _is_same(params["_meta"], before.get("_meta")):
        raise ContractError("it changed `params._meta`, which cannot be changed")
    key = METHODS[view.tool.method].names
    if key is not None and params.get(key) != before.get(key):
        raise ContractError(f"it changed `params.{key}`: which tool or item is used stays")
    if view.tool.method == CALL_TOOL:
        _only(params, "params", "name", "arguments", "_meta")
        arguments = params.get("arguments", {})
        if not isinstance(arguments, dict):
            raise ContractError("`params.arguments` must be an object")
        return arguments
    changed = {name: value for name, value in params.items() if name != "_meta"}
    return changed if key is None else {**changed, key: view.arguments[key]}


def _read_short_circuit(message: Object, response: Object) -> Decision:
    status, body = _read_response(message, response)
    if body is None and status < 400:
        raise ContractError("a transformedGatewayResponse without a `body`")
    refusal = _refusal(status, body or {})
    if refusal is not None:
        return Decision(refuse=refusal)
    result = _result_of(body or {})
    if result.get("isError") is True and (text := _text_of(result)):
        return Decision(refuse=text)  # what the agent sees is the same, and the record is right
    return Decision(answer=result)


def read_result(answer: Object, mcp: Object) -> Decision | None:
    """What becomes of a target's answer. Raises ContractError."""
    read = _read_transformed(answer, mcp)
    return None if read is None else _changed(answer, *read)


def read_list(
    answer: Object, member: str, names: Mapping[str, tuple[str, str]], mcp: Object
) -> Decision | None:
    """What becomes of a list. Raises ContractError."""
    read = _read_transformed(answer, mcp)
    if read is None:
        return None
    refusal = _refusal(*read)
    if refusal is not None:
        return Decision(withhold=refusal)
    items = _result_of(read[1]).get(member)
    if not isinstance(items, list):
        raise ContractError(f"the result has no list `{member}`")
    if _is_same(items, answer["result"][member]):
        return None
    return Decision(items=[_own_item(item, names) for item in items])


def _own_item(item: Json, names: Mapping[str, tuple[str, str]]) -> Object:
    """An item that a function kept, under the name that it has on its own route."""
    if isinstance(item, dict):
        for key in ("uriTemplate", "uri", "name"):
            found = names.get(str(item.get(key)))
            if found is not None and found[0] == key:
                return {**item, key: found[1]}
    raise ContractError("the list holds an item that was not in it")


def read_asked(view: Request, message: Object, mcp: Object) -> Decision | None:
    """What becomes of a target's request to the agent's client. Raises ContractError."""
    _only(mcp, "mcp", "transformedGatewayResponse")
    response = _part(mcp, "transformedGatewayResponse")
    if response is None:
        return None
    status, body = _read_response(message, response)
    refusal = _refusal(status, body or {})
    if refusal is not None:
        return Decision(refuse=refusal)
    if body is None:
        return None
    _check_message(message, body, "method", "params")
    arguments = _read_arguments(view, message, body)
    return None if arguments is None else Decision(arguments=arguments)


def read_client_answer(answer: Object, mcp: Object) -> Decision | None:
    """What becomes of the client's answer to a target's request. Raises ContractError."""
    _only(mcp, "mcp", "transformedGatewayRequest", "transformedGatewayResponse")
    response = _part(mcp, "transformedGatewayResponse")
    if response is not None:
        status, said = _read_response(answer, response)
        refusal = _refusal(status, said or {})
        if refusal is None:
            raise ContractError("the answer of a client can be changed or refused, not answered")
        return Decision(withhold=refusal)
    request = _part(mcp, "transformedGatewayRequest")
    if request is None or request.get("body") is None:
        return None
    body = request["body"]
    _check_message(answer, body, "result", "error")
    return _changed(answer, 200, body)


def _changed(answer: Object, status: int, body: Object) -> Decision | None:
    """What replaces a result or an error, or keeps it back."""
    refusal = _refusal(status, body)
    if refusal is not None and (status >= 400 or "error" not in answer):
        return Decision(withhold=refusal)
    if "error" in body:
        error = _error_of(body)
        return None if _is_same(error, answer["error"]) else Decision(result={"error": error})
    result = _result_of(body)
    return None if _is_same(result, answer.get("result")) else Decision(result=result)


def _is_same(one: Json, other: Json) -> bool:
    """Not by `==`, for which `true` and `1` are the same."""
    return not patch(one, other)


def _read_transformed(answer: Object, mcp: Object) -> tuple[int, Object] | None:
    """Status and body of a transformedGatewayResponse; None where all stays as it was."""
    _only(mcp, "mcp", "transformedGatewayResponse")
    response = _part(mcp, "transformedGatewayResponse")
    if response is None:
        return None
    status, body = _read_response(answer, response)
    if body is None:
        return (status, {}) if status >= 400 else None
    return status, body


def _read_response(message: Object, response: Object) -> tuple[int, Object | None]:
    _only(
        response,
        "transformedGatewayResponse",
        "statusCode",
        "headers",
        "body",
        "isStreamingResponse",
    )
    status, body = response.get("statusCode", 200), response.get("body")
    if type(status) is not int or not 100 <= status <= 599:
        raise ContractError("`statusCode` must be an HTTP status")
    if body is None:
        return status, None
    if not isinstance(body, dict):
        raise ContractError("`body` must be a JSON-RPC message, as an object")
    if "result" in body or "method" in body or body.get("id") is not None:
        _check_id(message, body)
    return status, body


def _check_message(message: Object, body: Json, *members: str) -> None:
    """Raises ContractError where it is not the same message with other content."""
    if not isinstance(body, dict):
        raise ContractError("`body` must be a JSON-RPC message, as an object")
    _only(body, "body", "jsonrpc", "id", *members)
    _check_id(message, body)
    if body.get("method") != message.get("method"):
        raise ContractError("it changed `method`, which cannot be changed")


def _check_id(message: Object, body: Object) -> None:
    if body.get("jsonrpc", "2.0") != "2.0" or body.get("id") != message["id"]:
        raise ContractError("it changed `id` or `jsonrpc`, which cannot be changed")


def _refusal(status: int, body: Object) -> str | None:
    """The sentence of an answer that says no, never an empty one; None where it does not."""
    if "error" in body and "result" in body:
        raise ContractError("a response with both `result` and `error`")
    said: Json = None
    if "error" in body:
        error = body["error"]
        is_plain = status >= 400 and isinstance(error, str)  # as of HTTP, not of JSON-RPC
        said = error if is_plain else _error_of(body)["message"]
    elif status < 400:
        return None
    elif isinstance(body.get("result"), dict):
        said = _text_of(body["result"])
    else:
        said = body.get("message")
    return said if isinstance(said, str) and said else f"The interceptor answered HTTP {status}."


def _error_of(body: Object) -> Object:
    error = body["error"]
    is_error = isinstance(error, dict) and isinstance(error.get("message"), str)
    if not is_error or type(error.get("code")) is not int:
        raise ContractError("`error` must be an object with `code` and `message`")
    return dict(error)


def _result_of(body: Object) -> Object:
    result = body.get("result")
    if not isinstance(result, dict):
        raise ContractError("a response with neither a `result` object nor an `error`")
    return result


def _text_of(result: Object) -> str:
    """The text of a result that holds nothing else; empty where it does."""
    content = result.get("content")
    if not isinstance(content, list) or "structuredContent" in result:
        return ""
    texts = [part.get("text") if isinstance(part, dict) else None for part in content]
    said = [text for text in texts if isinstance(text, str)]
    return "\n".join(said) if len(said) == len(texts) else ""


def _part(mcp: Object, name: str) -> Object | None:
    part = mcp.get(name)
    if part is not None and not isinstance(part, dict):
        raise ContractError(f"`{name}` must be an object")
    return part


def _only(value: Object, name: str, *known: str) -> None:
    """Raises ContractError for a member that nothing would come of: a slip must not pass."""
    unknown = sorted(value.keys() - set(known))
    if unknown:
        raise ContractError(f"`{name}` has a member {unknown[0]!r:.60} that means nothing here")
