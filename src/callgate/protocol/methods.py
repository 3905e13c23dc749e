"""The methods of MCP that are governed: what they name, what they need, how policy sees them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import lru_cache

import rfc8785

from callgate.model import CALL_TOOL, NOTHING, Json, Offer, Tool, Value

_STRING: dict[str, Json] = {"type": "string"}
_OBJECT: dict[str, Json] = {"type": "object"}
_ARRAY: dict[str, Json] = {"type": "array"}


class Method(Value):
    """One method as the gateway governs it. Its action in policy is `<target>___<name>`."""

    name: str
    params: dict[str, Json]  # JSON Schema of the params, `_meta` apart
    item: str | None = None  # the param that names what is used; repeated in `Mcp-Name`
    capability: str | None = None  # what a server that answers it declares
    is_list: bool = False
    is_asked_by_target: bool = False  # a request to the agent's client
    may_need_input: bool = False  # 2026-07-28: may be answered with `input_required`

    @property
    def names(self) -> str | None:
        """The param that names what is used, also where no header repeats it."""
        return self.item or ("uri" if "uri" in self.params["properties"] else None)


def _params(required: tuple[str, ...] = (), **properties: Json) -> dict[str, Json]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(name: str, capability: str) -> Method:
    return Method(name=name, params=_params(cursor=_STRING), capability=capability, is_list=True)


_TASK = _params(("taskId",), taskId=_STRING)
TASKS_EXTENSION = "io.modelcontextprotocol/tasks"

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""How severe log messages are (RFC 5424), the least severe first."""

METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            name=CALL_TOOL,
            params=_params(("name",), name=_STRING, arguments=_OBJECT),
            item="name",
            capability="tools",
            may_need_input=True,
        ),
        _list("tools/list", "tools"),
        Method(
            name="resources/read",
            params=_params(("uri",), uri=_STRING),
            item="uri",
            capability="resources",
            may_need_input=True,
        ),
        _list("resources/list", "resources"),
        _list("resources/templates/list", "resources"),
        Method(
            name="resources/subscribe",
            params=_params(("uri",), uri=_STRING),
            capability="resources",
        ),
        Method(
            name="resources/unsubscribe",
            params=_params(("uri",), uri=_STRING),
            capability="resources",
        ),
        Method(
            name="prompts/get",
            params=_params(("name",), name=_STRING, arguments=_OBJECT),
            item="name",
            capability="prompts",
            may_need_input=True,
        ),
        _list("prompts/list", "prompts"),
        Method(
            name="completion/complete",
            params=_params(
                ("ref", "argument"),
                ref=_params(("type",), type=_STRING, name=_STRING, uri=_STRING),
                argument=_params(("name", "value"), name=_STRING, value=_STRING),
                context=_OBJECT,
            ),
            capability="completions",
        ),
        Method(
            name="logging/setLevel",
            params=_params(("level",), level=_STRING),
            capability="logging",
        ),
        Method(name="tasks/get", params=_TASK, item="taskId"),
        Method(
            name="tasks/update",
            params=_params(("taskId",), taskId=_STRING, inputResponses=_OBJECT),
            item="taskId",
        ),
        Method(name="tasks/cancel", params=_TASK, item="taskId"),
        Method(
            name="elicitation/create",
            params=_params(
                ("message",), message=_STRING, mode=_STRING, requestedSchema=_OBJECT, url=_STRING
            ),
            capability="elicitation",
            is_asked_by_target=True,
        ),
        Method(
            name="sampling/createMessage",
            params=_params(
                ("messages", "maxTokens"),
                messages=_ARRAY,
                maxTokens={"type": "integer"},
                systemPrompt=_STRING,
                includeContext=_STRING,
                tools=_ARRAY,
            ),
            capability="sampling",
            is_asked_by_target=True,
        ),
        Method(name="roots/list", params=_params(), capability="roots", is_asked_by_target=True),
    )
}
ASKED = tuple(method.name for method in METHODS.values() if method.is_asked_by_target)
"""What a target may ask of the agent's client."""

RELAYED_EXTENSIONS = frozenset({TASKS_EXTENSION, "io.modelcontextprotocol/ui"})
"""Extensions whose messages the gateway passes on; others are never offered to either side."""


_WAYS: Mapping[str, Json] = {"elicitation": {"form": {}, "url": {}}}


def widest_offer(capabilities: Iterable[str]) -> Offer:
    """What a client offers that can do all of this, in every way that tools are known to need."""
    declared: dict[str, Json] = {name: _WAYS.get(name, {}) for name in sorted(capabilities)}
    if not declared:
        return NOTHING
    return Offer(capabilities=declared, digest=hashlib.sha256(rfc8785.dumps(declared)).hexdigest())


@lru_cache(4096)
def method_tool(target: str, name: str) -> Tool:
    """A method of MCP as something that can be used at a target. Raises KeyError."""
    definition: dict[str, Json] = {"name": name, "inputSchema": METHODS[name].params}
    digest = hashlib.sha256(rfc8785.dumps(definition)).hexdigest()
    return Tool(target=target, name=name, definition=definition, digest=digest, method=name)
