"""Calls as an interceptor server sees them, and its payloads as what is wanted of a call."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from callgate.interceptors.mcp_descriptors import McpError
from callgate.model import CALL_TOOL, Json, Value
from callgate.scrutiny import Decision, Listed, Request, Result, View

META_KEY = "callgate/call"  # in `_meta` of invocations: which call this is about
ITEMS = {
    "tools/list": "tools",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
    "prompts/list": "prompts",
}
SESSION_CHARACTERS = 32

Object = dict[str, Json]


class Matter(Value):
    """What interceptors are asked about: one payload of one event in one phase."""

    view: View
    event: str
    phase: str
    payload: Json
    is_bare: bool = False  # the payload of a request is its params alone

    def check(self, payload: Json) -> None:
        """Raises McpError where a mutator's payload is none, or changes what no mutator may."""
        self.wanted(payload)

    def wanted(self, payload: Json) -> Decision:
        """What a changed payload wants of the call. Raises McpError."""
        if not isinstance(payload, dict):
            raise McpError("the payload that it gives is not an object")
        if isinstance(self.view, Request):
            return Decision(arguments=self._arguments(payload))
        if isinstance(self.view, Listed):
            return Decision(items=self._items(payload))
        return Decision(result=payload)

    def _arguments(self, payload: Object) -> Object:
        params = payload
        if not self.is_bare:
            if payload.keys() != {"method", "params"} or payload["method"] != self.event:
                raise McpError("it changes the method, or what is beside `method` and `params`")
            params = payload["params"]
        if not isinstance(params, dict):
            raise McpError("the params that it gives are not an object")
        if self.event != CALL_TOOL:
            return params
        if params.get("name") != self.view.tool.name or not params.keys() <= {"name", "arguments"}:
            raise McpError("it changes the tool, or what is beside `name` and `arguments`")
        arguments = params.get("arguments", {})
        if not isinstance(arguments, dict):
            raise McpError("the arguments that it gives are not an object")
        return arguments

    def _items(self, payload: Object) -> list[Object]:
        key = ITEMS[self.event]
        items = payload.get(key)
        if payload.keys() != {key} or not isinstance(items, list):
            raise McpError(f"the payload that it gives is not an object with `{key}`")
        return items


def matter_of(view: Request | Result | Listed, *, is_bare: bool) -> Matter:
    """The view as a payload. Of what is shown, nothing is copied."""
    event = view.tool.method
    phase, payload = "response", None
    if isinstance(view, Request):
        phase = "request"
        payload = view.arguments
        if event == CALL_TOOL:
            payload = {"name": view.tool.name, "arguments": view.arguments}
        if not is_bare:
            payload = {"method": event, "params": payload}
    elif isinstance(view, Listed):
        payload = {ITEMS[event]: view.items}
    else:
        payload = view.result
    return Matter(view=view, event=event, phase=phase, payload=payload, is_bare=is_bare)


def context_of(view: View, now: float, *, omit: frozenset[str]) -> Object:
    """Who calls, and what joins calls: `context` of an invocation."""
    principal = view.principal
    who: Object = {"type": _type_of(principal.kind), "id": principal.id}
    if "claims" not in omit:
        who["claims"] = {**principal.claims, "iss": principal.issuer}
    instant = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    context: Object = {"principal": who, "timestamp": instant.replace("+00:00", "Z")}
    if view.run:
        context["sessionId"] = session_of(view)
    parent = view.meta.get("traceparent")
    parts = parent.split("-") if isinstance(parent, str) else []
    if len(parts) == 4:  # W3C: version, trace, span, flags
        context["traceId"], context["spanId"] = parts[1], parts[2]
    return context


def session_of(view: View) -> str:
    """One id per principal and run, which says nothing of either.

    The run itself may be the id of an MCP session, which is nobody else's business, or a trace id
    that a caller made up: two principals with the same must not share what is kept under it.
    """
    key = f"{view.principal.key}\x1f{view.run}".encode()
    return hashlib.sha256(key).hexdigest()[:SESSION_CHARACTERS]


def _type_of(kind: str) -> str:
    return {"anonymous": "anonymous", "api_key": "service"}.get(kind, "user")


def meta_of(view: View) -> Object:
    """What the draft has no place for: which call, which target, which tool."""
    tool = view.tool
    meta: Object = {META_KEY: {"id": view.call_id, "target": tool.target, "tool": tool.name}}
    for name in ("traceparent", "tracestate"):
        if name in view.meta:
            meta[name] = view.meta[name]
    return meta
