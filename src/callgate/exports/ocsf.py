"""A call as an OCSF event: API Activity (6003) with the profiles ai_operation and others."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.audit.explain import began
from callgate.audit.record import instant
from callgate.exports.calls import Ending, ending, operation, place_of
from callgate.model import Json
from callgate.protocol.jsonrpc import encode
from callgate.version import VERSION

# https://schema.ocsf.io/1.8.0/classes/api_activity. `ai_agent` is in no published version yet: the
# agent is told as the application that acts for the user.
OCSF_VERSION = "1.8.0"
PROFILES = ("ai_operation", "security_control", "trace")
CLASS, CATEGORY = 6003, 6
_READ, _OTHER = 2, 99
_ROLE_TOOL = 3  # of a message: a callable tool
_ACTIVITIES = {"read": _READ, "list": _READ, "get": _READ, "templates": _READ}

_STATUS: dict[Ending, tuple[int, str]] = {
    "completed": (1, "Success"),
    "failed": (2, "Failure"),
    "refused": (2, "Failure"),
    "withheld": (2, "Failure"),
    "broken": (2, "Failure"),
    "interrupted": (0, "Unknown"),
}
_SEVERITY: dict[Ending, tuple[int, str]] = {
    "completed": (1, "Informational"),
    "failed": (2, "Low"),
    "refused": (3, "Medium"),
    "withheld": (3, "Medium"),
    "broken": (4, "High"),
    "interrupted": (3, "Medium"),
}
_ACTION: dict[Ending, tuple[int, str]] = {
    "completed": (1, "Allowed"),
    "failed": (1, "Allowed"),
    "refused": (2, "Denied"),
    "withheld": (2, "Denied"),
    "broken": (2, "Denied"),
    "interrupted": (0, "Unknown"),
}
_DISPOSITION: dict[Ending, tuple[int, str]] = {
    "completed": (1, "Allowed"),
    "failed": (27, "Error"),
    "refused": (2, "Blocked"),
    "withheld": (99, "Withheld"),
    "broken": (27, "Error"),
    "interrupted": (0, "Unknown"),
}
_UNMAPPED = (
    "ran", "delivered", "labels", "changes", "masked", "payload_lost", "erased", "era",
    "arguments_sha256", "result", "seconds", "asked_in", "method", "detail",
)  # fmt: skip
"""Kept as they are under `unmapped`: nothing recorded of a decision is left out."""


def api_activity(call: dict[str, Json], origin: str) -> dict[str, Json]:
    """The event of one call, as `audit.explain.whole` has it. Times in milliseconds."""
    how = ending(call)
    method = str(call.get("method") or "tools/call")
    activity = _ACTIVITIES.get(method.rpartition("/")[2], _OTHER)
    start, ended = _milliseconds(began(call)), _milliseconds(call["at"])
    event: dict[str, Json] = {
        "category_uid": CATEGORY,
        "category_name": "Application Activity",
        "class_uid": CLASS,
        "class_name": "API Activity",
        "activity_id": activity,
        "activity_name": "Read" if activity == _READ else method,
        "type_uid": CLASS * 100 + activity,
        "time": start,
        "start_time": start,
        "end_time": max(start, ended),
        "duration": max(0, ended - start),
        "message": f"{operation(call)}: {how}",
        "metadata": _metadata(call, origin),
        "actor": _actor(call),
        "api": _api(call),
        "src_endpoint": _source(call),
        "message_context": _message_context(call),
    }
    for name, (number, word) in (
        ("status", _STATUS[how]),
        ("severity", _SEVERITY[how]),
        ("action", _action(call, how)),
        ("disposition", _DISPOSITION[how]),
    ):
        event[f"{name}_id"] = number
        event[name] = word
    event |= {name: value for name, value in _optional(call) if value}
    return event


def _optional(call: dict[str, Json]) -> Iterator[tuple[str, Json]]:
    target = call.get("target")
    yield "status_code", call.get("code")
    yield "status_detail", call.get("reason")
    if target:
        yield "dst_endpoint", {"svc_name": target}
        if call.get("tool"):
            resource = {"name": call["tool"], "type": "tool", "uid": operation(call)}
            if call.get("tool_sha256"):
                resource["version"] = call["tool_sha256"]
            yield "resources", [resource]
    authorizations = [*_authorizations(call)]
    if authorizations:
        yield "policy", authorizations[0]["policy"]
    yield "enrichments", [*_enrichments(call.get("enriched") or {})]
    trace = str(call.get("traceparent") or "").split("-")
    if len(trace) == 4:
        yield "trace", {"uid": trace[1]}
    yield "unmapped", {name: call[name] for name in _UNMAPPED if call.get(name) is not None}


def _metadata(call: dict[str, Json], origin: str) -> dict[str, Json]:
    told = {
        "version": OCSF_VERSION,
        "profiles": [*PROFILES],
        "product": {"name": "Callgate", "vendor_name": "Callgate", "version": VERSION},
        "uid": place_of(call, origin),
        "log_name": origin,
        "event_code": call.get("code"),
        "logged_time": _milliseconds(call["at"]),
        "correlation_uid": call.get("run"),
        "tenant_uid": (call.get("principal") or {}).get("tenant"),
        "labels": [str(label) for label in call.get("labels") or ()],
    }
    return {name: value for name, value in told.items() if value}


def _actor(call: dict[str, Json]) -> dict[str, Json]:
    principal = call.get("principal") or {}
    user: dict[str, Json] = {
        "uid": str(principal.get("id") or "unknown"),
        "name": str(principal.get("id") or "unknown"),
        "type_id": _OTHER if principal else 0,
        "type": str(principal.get("kind") or "Unknown"),
    }
    if principal.get("issuer"):
        user["domain"] = principal["issuer"]
    if principal.get("groups"):
        user["groups"] = [{"name": str(group)} for group in principal["groups"]]
    actor: dict[str, Json] = {"user": user}
    if principal.get("agent"):
        actor["app_name"] = principal["agent"]
    if call.get("session"):
        actor["session"] = {"uid": call["session"]}
    authorizations = [*_authorizations(call)]
    if authorizations:
        actor["authorizations"] = authorizations
    return actor


def _authorizations(call: dict[str, Json]) -> Iterator[dict[str, Json]]:
    """One for each determining policy; one of the policy set where none determined."""
    decision = call.get("decision")
    if decision is None:
        return
    word = "permit" if decision["permitted"] else "refuse"
    version = decision.get("version") or ""
    is_applied = decision.get("enforced") is not False
    for policy in decision.get("policies") or ("",):
        told: dict[str, Json] = {"type": "Cedar", "is_applied": is_applied}
        if policy:
            told |= {"uid": policy, "name": policy}
        else:
            told |= {"name": "no policy permits it"}
        if version:
            told["version"] = version
        if decision.get("reason"):
            told["desc"] = decision["reason"]
        yield {"decision": word, "policy": told}


def _api(call: dict[str, Json]) -> dict[str, Json]:
    request: dict[str, Json] = {"uid": call["call"]}
    if "arguments" in call:
        request["data"] = call["arguments"]
    api: dict[str, Json] = {"operation": operation(call), "request": request}
    if call.get("target"):
        api["service"] = {"name": call["target"]}
    response: dict[str, Json] = {}
    if call.get("code") not in (None, "ok"):
        response |= {"error": call["code"], "error_message": str(call.get("reason") or "")}
    if "content" in call:
        response["data"] = call["content"]
    if response:
        api["response"] = response
    return api


def _source(call: dict[str, Json]) -> dict[str, Json]:
    """The client, as it calls itself: the record knows no address of it."""
    client = call.get("client") or {}
    name = client.get("name") or (call.get("principal") or {}).get("agent") or "unknown"
    return {"name": str(name), "type": "MCP client"}


def _message_context(call: dict[str, Json]) -> dict[str, Json]:
    name = call.get("target") or "callgate"
    return {"uid": call["call"], "ai_role_id": _ROLE_TOOL, "ai_role": "Tool",
            "service": {"name": str(name)}}  # fmt: skip


def _enrichments(enriched: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for interceptor, facts in enriched.items():
        for name, value in facts.items() if isinstance(facts, dict) else ():
            yield {
                "name": f"{interceptor}.{name}",
                "value": value if isinstance(value, str) else encode(value).decode(),
                "data": value,
                "provider": interceptor,
            }


def _action(call: dict[str, Json], how: Ending) -> tuple[int, str]:
    decision = call.get("decision") or {}
    if decision.get("enforced") is False and not decision.get("permitted"):
        return 3, "Observed"
    changed = any(
        change.get("action") == "changed" and change.get("mode", "enforce") == "enforce"
        for change in call.get("changes") or ()
    )
    return (4, "Modified") if how == "completed" and changed else _ACTION[how]


def _milliseconds(at: str) -> int:
    return round(instant(at) * 1000)
