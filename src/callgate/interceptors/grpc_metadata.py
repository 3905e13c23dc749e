"""What gRPC servers are told of a call beside it, and what they say of it beside the decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from callgate.interceptors.grpc_channel import GrpcError
from callgate.interceptors.grpc_messages import object_of, pairs_of
from callgate.interceptors.grpc_settings import GrpcSettings
from callgate.interceptors.mcp_payloads import session_of
from callgate.model import Json
from callgate.scrutiny import View

MAX_REASON_CHARACTERS = 500


def told_of(view: View, *, omit: frozenset[str]) -> dict[str, Json]:
    """Who calls what, as metadata."""
    principal, tool = view.principal, view.tool
    who: dict[str, Json] = {
        "id": principal.id,
        "issuer": principal.issuer,
        "kind": principal.kind,
        "groups": list(principal.groups),
        "tenant": principal.tenant,
        "agent": principal.agent,
    }
    if "claims" not in omit:
        who["claims"] = principal.claims
    return {
        "call_id": view.call_id,
        "session": session_of(view) if view.run else "",
        "target": tool.target,
        "tool": tool.name,
        "labels": list(view.labels),
        "principal": who,
    }


def facts_and_labels(struct: Any, settings: GrpcSettings) -> dict[str, Any]:
    """What the metadata of an answer means, as members of a Decision. Raises GrpcError."""
    if not struct.fields:
        return {}
    try:
        said = object_of(struct)
    except ValueError as error:
        raise GrpcError(str(error)) from None
    wanted: dict[str, Any] = {}
    facts = {name: said[name] for name in settings.facts if name in said}
    if facts:
        wanted["enrich"] = facts
    labels = said.get(settings.labels) if settings.labels is not None else None
    if labels is not None:
        wanted["labels"] = _labels(labels)
    return wanted


def _labels(said: Json) -> tuple[str, ...]:
    labels = [said] if isinstance(said, str) else said
    if not isinstance(labels, list) or not all(isinstance(one, str) for one in labels):
        raise GrpcError("the labels that it gives are neither a text nor a list of texts")
    return tuple(labels)


def headers_of(headers: Any) -> dict[str, str]:
    """Headers that are to be sent; several of one name are one list. Raises GrpcError."""
    found: dict[str, str] = {}
    try:
        for name, value in pairs_of(headers):
            key = name.lower()
            found[key] = f"{found[key]}, {value}" if key in found else value
    except ValueError:
        raise GrpcError("a header that it sets is not UTF-8") from None
    return found


def reason_of(*texts: str, otherwise: str) -> str:
    """The first that says something, in one printable line."""
    for text in texts:
        line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
        if line:
            return line[:MAX_REASON_CHARACTERS]
    return otherwise


def parsed(kind: Callable[[], Any], answer: bytes) -> Any:
    """An answer as a message. Raises GrpcError."""
    message = kind()
    try:
        message.ParseFromString(answer)
    except Exception as error:  # noqa: BLE001 - the class is that of an optional library
        raise GrpcError(f"its answer is no {type(message).__name__}: {error}") from None
    return message
