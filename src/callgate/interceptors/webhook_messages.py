"""What a webhook is sent about a call, and what its answer may say: version 1 of the shape."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from callgate.model import Json, Verdict
from callgate.scrutiny import Decision, Listed, Message, Request, Result, View

VERSION = "1"
COMMON = frozenset({"labels", "note"})
MAY: Mapping[str, frozenset[str]] = {
    "request": COMMON | {"refuse", "arguments", "answer", "enrich", "approve", "headers"},
    "result": COMMON | {"result", "withhold"},
    "message": COMMON | {"params", "withhold"},
    "list": COMMON | {"items", "withhold", "refuse"},
}
"""The type of an event → what its decision may hold. Anything else is a mistake, and a failure."""
SENTENCES = ("refuse", "withhold", "approve")

Object = dict[str, Json]


class AnswerError(Exception):
    """What a webhook answered is not what version 1 allows, or wants what it may not."""


def event_of(view: View, *, omit: frozenset[str]) -> Object:
    """The part of a message that tells the call; `type` says at which point."""
    principal, tool = view.principal, view.tool
    who: Object = {
        "id": principal.id,
        "issuer": principal.issuer,
        "kind": principal.kind,
        "groups": list(principal.groups),
        "tenant": principal.tenant,
        "agent": principal.agent,
    }
    what: Object = {
        "target": tool.target,
        "name": tool.name,
        "qualified_name": tool.qualified_name,
        "method": tool.method,
        "digest": tool.digest,
    }
    if "claims" not in omit:
        who["claims"] = principal.claims
    if "definition" not in omit:
        what["definition"] = tool.definition
    event: Object = {
        "call_id": view.call_id,
        "run": view.run,
        "principal": who,
        "tool": what,
        "headers": dict(view.headers),
        "meta": dict(view.meta),
        "labels": list(view.labels),
    }
    return {**event, **_at_point(view)}


def _at_point(view: View) -> Object:
    if isinstance(view, Request):
        return {
            "type": "request",
            "arguments": view.arguments,
            "enriched": {name: dict(facts) for name, facts in view.enriched.items()},
            "verdict": _verdict(view.verdict),
        }
    if isinstance(view, Result):
        return {
            "type": "result",
            "arguments": view.arguments,
            "result": view.result,
            "is_error": view.is_error,
            "verdict": _verdict(view.verdict),
        }
    if isinstance(view, Message):
        return {"type": "message", "method": view.method, "params": view.params}
    assert isinstance(view, Listed)  # noqa: S101 - there is no other view
    return {"type": "list", "items": view.items, "targets": list(view.targets)}


def _verdict(verdict: Verdict | None) -> Json:
    if verdict is None:
        return None
    return {
        "is_permitted": verdict.is_permitted,
        "policies": list(verdict.policies),
        "reason": verdict.reason,
        "version": verdict.version,
    }


def message_of(event: Object, message_id: str, interceptor: str, now: float) -> Object:
    """What is sent."""
    instant = datetime.fromtimestamp(now, UTC).isoformat(timespec="milliseconds")
    return {
        "version": VERSION,
        "id": message_id,
        "timestamp": instant.replace("+00:00", "Z"),
        "interceptor": interceptor,
        **event,
    }


def decision_of(answer: Json, kind: str, message_id: str) -> Decision | None:
    """What the answer to a message of this type wants. Raises AnswerError."""
    if not isinstance(answer, dict):
        raise AnswerError("the answer is not an object")
    _only(answer, "the answer", frozenset({"version", "id", "decision"}))
    if answer.get("version") != VERSION:
        raise AnswerError(f'the answer\'s `version` is {answer.get("version")!r:.40}, not "1"')
    if answer.get("id", message_id) != message_id:
        raise AnswerError("the answer's `id` is that of another message")
    said = answer.get("decision")
    if said is None:
        return None
    if not isinstance(said, dict):
        raise AnswerError("`decision` is not an object")
    _only(said, f"a decision on a {kind}", MAY[kind])
    for name in SENTENCES:
        if said.get(name) == "":
            raise AnswerError(f"`{name}` is empty; say why")
    try:
        return msgspec.convert(said, Decision)
    except msgspec.ValidationError as error:
        raise AnswerError(f"`decision` does not fit: {error}") from None


def _only(value: Object, name: str, known: frozenset[str]) -> None:
    """Raises AnswerError for a member that nothing would come of: a slip must not pass."""
    unknown = sorted(value.keys() - known)
    if unknown:
        raise AnswerError(f"{name} has a member {unknown[0]!r:.60} that means nothing there")
