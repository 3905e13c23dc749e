"""Builders of what interceptors see, with all that a test does not care about filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callgate.model import Json, Principal, Tool, split_name
from callgate.protocol.definitions import read_tool
from callgate.protocol.methods import METHODS, method_tool
from callgate.scrutiny import Listed, Message, Request, Result

CALL_ID = "c0000000000000000000000000000"


def a_principal(identifier: str = "ada", *groups: str, **more: Any) -> Principal:
    """Who calls. `more` is anything else of a Principal: `claims`, `agent`, `tenant`, `kind`."""
    settings: dict[str, Any] = {"issuer": "https://issuer.example", "kind": "jwt", **more}
    return Principal(id=identifier, groups=groups, **settings)


def a_tool(
    name: str = "shop___refund", schema: Mapping[str, Json] | None = None, **more: Json
) -> Tool:
    """A tool by its full name, `<target>___<tool>`; or a method of MCP, `shop___resources/read`.

    `schema` is its input schema, any object where left out; `more` is anything else of its
    definition: `description`, `annotations`, `outputSchema`.
    """
    names = split_name(None, name)
    if names is None:
        raise ValueError(f"{name!r} is not of the form <target>___<tool>")
    target, own = names
    if own in METHODS:
        return method_tool(target, own)
    return read_tool(target, {"name": own, "inputSchema": {**(schema or _ANYTHING)}, **more})


_ANYTHING: dict[str, Json] = {"type": "object"}


def a_text(text: str, **more: Json) -> dict[str, Json]:
    """The result of a tool that answers with a text."""
    return {"content": [{"type": "text", "text": text}], **more}


def a_request(
    arguments: Mapping[str, Json] | None = None,
    /,
    *,
    tool: Tool | str = "shop___refund",
    principal: Principal | str = "ada",
    **more: Any,
) -> Request:
    """A call before it is made. `more` is anything else of a Request: `headers`, `enriched`."""
    return Request(arguments={**(arguments or {})}, **_who_and_what(tool, principal), **more)


def a_result(
    result: Mapping[str, Json] | str = "done",
    /,
    *,
    tool: Tool | str = "shop___refund",
    principal: Principal | str = "ada",
    **more: Any,
) -> Result:
    """A call that has its result: one as the tool gives it, or its text.

    `more` is anything else of a Result: `arguments`, `is_error`, `labels`.
    """
    shown = a_text(result) if isinstance(result, str) else {**result}
    is_error = "error" in shown or shown.get("isError") is True
    settings = {"result": shown, "is_error": is_error, **more}
    return Result(**_who_and_what(tool, principal), **settings)


def a_message(
    params: Mapping[str, Json] | None = None,
    /,
    *,
    method: str = "notifications/progress",
    tool: Tool | str = "shop___refund",
    principal: Principal | str = "ada",
    **more: Any,
) -> Message:
    """A message of the target in the middle of a call."""
    shown = {"progressToken": 1, "progress": 1} if params is None else {**params}
    return Message(method=method, params=shown, **_who_and_what(tool, principal), **more)


def a_list(
    *items: Mapping[str, Json] | Tool,
    method: str = "tools/list",
    target: str = "shop",
    principal: Principal | str = "ada",
    **more: Any,
) -> Listed:
    """A list of what one target has, as it is about to be shown."""
    shown = [{**(item.definition if isinstance(item, Tool) else item)} for item in items]
    targets = tuple(item.target if isinstance(item, Tool) else target for item in items)
    who_and_what = _who_and_what(method_tool(target, method), principal)
    return Listed(items=shown, targets=targets, **who_and_what, **more)


def named_principal(principal: Principal | str) -> Principal:
    """The principal, or the one of this id."""
    return a_principal(principal) if isinstance(principal, str) else principal


def _who_and_what(tool: Tool | str, principal: Principal | str) -> dict[str, Any]:
    return {
        "call_id": CALL_ID,
        "principal": named_principal(principal),
        "tool": a_tool(tool) if isinstance(tool, str) else tool,
    }
