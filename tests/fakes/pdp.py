"""The fixture of AuthZEN's certification scenario as a gateway; and how one asks it."""

from __future__ import annotations

from typing import Any

from callgate.audit.principals import Recalled
from callgate.control.app import ControlEndpoint
from callgate.control.settings import ControlListenerSettings
from callgate.model import Json, Tool
from callgate.protocol.jsonrpc import encode
from fakes.asgi import Answered, ask
from fakes.calls import a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.operators import some_views

ID: dict[str, Json] = {"type": "string", "enum": ["record-1", "record-2"]}
STATUS: dict[str, Json] = {"type": "string"}

POLICIES = """
@id("readers")
permit (
    principal is Callgate::OAuthUser,
    action == Callgate::Action::"record___read",
    resource
) when { [Callgate::OAuthUser::"alice", Callgate::OAuthUser::"bob"].contains(principal) };

@id("alice-writes")
permit (
    principal == Callgate::OAuthUser::"alice",
    action == Callgate::Action::"record___write",
    resource
) unless {
    context.input.id == "record-2"
    || (context.input has status && context.input.status == "archived")
};

@id("admins-write-archived")
permit (
    principal is Callgate::OAuthUser,
    action == Callgate::Action::"record___write",
    resource
) when {
    principal.hasTag("role") && principal.getTag("role") == "admin"
} when {
    context.input.id == "record-2"
    || (context.input has status && context.input.status == "archived")
};

@id("alice-deletes-softly")
permit (
    principal == Callgate::OAuthUser::"alice",
    action == Callgate::Action::"record___delete",
    resource
) when { context.input.soft };

@id("nobody-deletes-hard")
@reason("Ask for a soft delete.")
forbid (principal, action == Callgate::Action::"record___delete", resource)
unless { context.input.soft };
"""


def _record_tool(name: str, **more: Json) -> Tool:
    properties = {"id": ID, "status": STATUS, **more}
    required = ["id", *more]
    schema = {"type": "object", "properties": properties, "required": required}
    return a_tool("record", name, schema)


TOOLS = (
    _record_tool("read"),
    _record_tool("write"),
    _record_tool("delete", soft={"type": "boolean"}),
)
KNOWN: tuple[Recalled, ...] = (
    Recalled(principal=a_principal("alice")),
    Recalled(principal=a_principal("bob", kind="api_key", claims={"role": "admin"})),
    Recalled(principal=a_principal("anonymous", kind="anonymous")),
)


def a_pdp(**more: Any) -> ControlEndpoint:
    """A control listener on loopback; `more` goes into its views."""
    settings: dict[str, Any] = {
        "gateway": lambda: a_gateway(policies=POLICIES, tools=TOOLS),
        "principals": lambda: KNOWN,
        **more,
    }
    return ControlEndpoint(some_views(**settings), ControlListenerSettings())


def posted(
    endpoint: ControlEndpoint,
    path: str,
    body: Json,
    *headers: tuple[str, str],
    media_type: str = "application/json",
) -> Answered:
    """Sends a body, bytes as they are and anything else as JSON."""
    return ask(
        endpoint,
        path,
        method="POST",
        headers=(("host", "localhost"), ("content-type", media_type), *headers),
        body=body if isinstance(body, bytes) else encode(body),
    )
