"""What an interceptor is tried on: a recorded call or files; and what is not known of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from callgate.app.snapshot import SnapshotError, read_snapshot
from callgate.audit.definitions import tool_id
from callgate.audit.masks import MASKED
from callgate.audit.principals import principal_of
from callgate.cli.explain import only
from callgate.cli.policy.grounds import CannotSay, read_text
from callgate.model import CALL_TOOL, Call, Era, Json, Principal, Proof, Reply, Tool, Value
from callgate.ports import StoreError
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.protocol.methods import METHODS, method_tool
from callgate.settings import Settings
from callgate.storage.reading import Records
from callgate.testing.building import a_tool

MAX_DEPTH = 128
ISSUER = "https://issuer.example"


class PrincipalSettings(Settings):
    """Who calls."""

    id: str = "ada"
    issuer: str = ISSUER
    kind: str = "jwt"
    groups: tuple[str, ...] = ()
    claims: dict[str, Json] = {}
    tenant: str | None = None
    agent: str | None = None


class RequestSettings(Settings):
    """A call, as a file says it."""

    tool: str = Field(pattern=r".+___.+")
    arguments: dict[str, Json] = {}
    principal: PrincipalSettings = PrincipalSettings()
    headers: dict[str, str] = {}
    meta: dict[str, Json] = {}
    labels: tuple[str, ...] = ()
    enriched: dict[str, dict[str, Json]] = {}
    run: str = ""


class Given(Value):
    """What the command line adds to a call."""

    headers: tuple[tuple[str, str], ...] = ()
    claims: dict[str, Json] = {}
    facts: dict[str, dict[str, Json]] = {}
    tools: Path | None = None
    result: Path | None = None


class Material(Value):
    """The call to try on, and sentences on what an interceptor sees otherwise than it was."""

    call: Call
    notes: tuple[str, ...] = ()
    knows_tool: bool = False  # whether its definition is known


def of_file(path: Path, given: Given) -> Material:
    """The call in a file. Raises CannotSay."""
    try:
        said = RequestSettings.model_validate(_object(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise CannotSay(f"{path}: {where}: {first['msg']}") from None
    tool = _known(said.tool, given)
    principal = Principal(**{**said.principal.model_dump(), "groups": said.principal.groups})
    call = _call(
        id="c0000",
        requested_name=said.tool,
        tool=tool or a_tool(said.tool),
        principal=_claimed(principal, given),
        arguments=said.arguments,
        headers=_headers(said.headers, given),
        meta=said.meta,
        labels=said.labels,
        enriched={**said.enriched, **given.facts},
        session_id=said.run or None,
    )
    return Material(call=_replied(call, given), knows_tool=tool is not None)


def of_record(records: Records, start: str, given: Given) -> Material:
    """A recorded call. Raises CannotSay, click.ClickException."""
    try:
        call_id = only(records.find(start), start)
        told: dict[str, Json] = {}
        for entry in records.entries(call_id):
            told |= entry
        described = _described(records, told)
        defined = records.defined(tool_id(told["tool_sha256"])) if told.get("tool_sha256") else None
    except StoreError as error:
        raise CannotSay(str(error)) from None
    name, principal = told.get("tool"), told.get("principal")
    method = told.get("method") or "tools/call"
    if not name or not told.get("target") or METHODS[method].is_list or principal is None:
        what = "is a list" if METHODS[method].is_list else "did not get so far as a tool"
        raise CannotSay(f"the call {call_id} {what}; interceptors of calls cannot be tried on it")
    qualified = f"{told['target']}___{name}"
    tool = _known(qualified, given) or _recorded(told["target"], method, defined)
    who = principal_of(told, described)
    assert who is not None  # noqa: S101 - the body has a principal
    call = _call(
        id=call_id,
        requested_name=told.get("name") or qualified,
        method=method,
        tool=tool or a_tool(qualified),
        principal=_claimed(who, given),
        arguments=told.get("arguments") or {},
        headers=_headers({}, given),
        meta={"traceparent": told["traceparent"]} if told.get("traceparent") else {},
        enriched=_merged(told.get("enriched") or {}, given.facts),
        session_id=told.get("session"),
    )
    notes = tuple(_missing(told, call, given))
    call = _replied(call, given, told)
    return Material(call=call, notes=notes, knows_tool=tool is not None)


def _described(records: Records, told: dict[str, Json]) -> dict[str, Json] | None:
    digest = (told.get("principal") or {}).get("claims_sha256")
    return records.defined(f"principal:{digest}") if digest else None


def _recorded(target: str, method: str, defined: dict[str, Json] | None) -> Tool | None:
    """The tool as the record defines it."""
    if method != CALL_TOOL:
        return method_tool(target, method)
    if defined is None or not isinstance(defined.get("definition"), dict):
        return None
    try:
        return read_tool(target, defined["definition"])
    except Unusable:
        return None


def _merged(
    recorded: dict[str, dict[str, Json]], given: dict[str, dict[str, Json]]
) -> dict[str, dict[str, Json]]:
    return {
        name: {**recorded.get(name, {}), **given.get(name, {})} for name in {**recorded, **given}
    }


def _missing(told: dict[str, Json], call: Call, given: Given) -> Iterator[str]:
    masked = list(_masked(call.arguments, ""))
    if masked:
        yield f"masked in the record, so that the interceptor sees {MASKED}: {', '.join(masked)}"
    changed: dict[str, list[str]] = {}
    facts: list[str] = []
    for change in told.get("changes") or ():
        paths = change.get("paths") or ()
        facts += [path.removeprefix("/enriched/").replace("/", ".") for path in paths
                  if path.startswith("/enriched/")]  # fmt: skip
        if change["phase"] == "request" and change["action"] == "changed":
            changed.setdefault(change["interceptor"], []).extend(paths)
    for interceptor, paths in changed.items():
        yield f"recorded as {interceptor} left it: {', '.join(paths)}"
    unknown = [one for one in facts if one.partition(".")[2] not in
               call.enriched.get(one.partition(".")[0], {})]  # fmt: skip
    if unknown:
        yield f"values of these facts are not recorded; --fact {unknown[0]}=VALUE gives one: " + (
            ", ".join(unknown)
        )
    if not call.principal or (not call.principal.claims and call.principal.kind == "jwt"):
        yield "claims of this principal are not recorded; --claim NAME=VALUE gives one"
    if given.result is None and told.get("masked_results"):
        yield f"masked in the recorded result: {', '.join(told['masked_results'])}"


def _masked(value: Json, path: str) -> Iterator[str]:
    if value == MASKED:
        yield path or "/"
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _masked(item, f"{path}/{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _masked(item, f"{path}/{index}")


def _known(qualified: str, given: Given) -> Tool | None:
    """The tool as its target defines it, where a snapshot says so."""
    if given.tools is None:
        return None
    try:
        tools = read_snapshot(given.tools).tools
    except SnapshotError as error:
        raise CannotSay(str(error)) from None
    return next((tool for tool in tools if tool.qualified_name == qualified), None)


def _call(**settings: Any) -> Call:
    return Call(
        received_at=0.0,
        era=Era.MODERN,
        protocol_version="2026-07-28",
        proof=Proof(),
        **{"method": settings["tool"].method, **settings},
    )


def _claimed(principal: Principal, given: Given) -> Principal:
    fields = {name: getattr(principal, name) for name in Principal.__struct_fields__}
    return Principal(**{**fields, "claims": {**principal.claims, **given.claims}})


def _headers(own: dict[str, str], given: Given) -> dict[str, str]:
    return {name.lower(): value for name, value in (*own.items(), *given.headers)}


def _replied(call: Call, given: Given, told: dict[str, Json] | None = None) -> Call:
    """The call with the result that a file has, or else the record."""
    if given.result is not None:
        result = _object(given.result)
        is_error = set(result) == {"error"}
        result = result["error"] if is_error else result
    elif told is not None and isinstance(told.get("content"), dict):
        result, is_error = told["content"], bool((told.get("result") or {}).get("error"))
    else:
        return call
    reply = Reply(body=encode(result), is_error=is_error)
    fields = {name: getattr(call, name) for name in Call.__struct_fields__}
    return Call(**{**fields, "reply": reply})


def _object(path: Path) -> dict[str, Json]:
    try:
        value = parse_json(read_text(path).encode(), max_depth=MAX_DEPTH)
    except Malformed as error:
        raise CannotSay(f"{path}: {error.reason}") from None
    if not isinstance(value, dict):
        raise CannotSay(f"{path}: must be a JSON object")
    return value
