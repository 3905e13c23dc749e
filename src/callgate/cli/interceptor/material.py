"""What an interceptor is tried on: a recorded call or files; and what is not known of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace
from pydantic import Field, ValidationError

from callgate.app.snapshot import SnapshotError, read_snapshot
from callgate.audit.definitions import tool_id
from callgate.audit.masks import MASKED
from callgate.audit.principals import description_of, recalled
from callgate.cli.explain import only
from callgate.cli.policy.grounds import CannotSay, read_text
from callgate.model import (
    CALL_TOOL,
    SEPARATOR,
    Call,
    Era,
    Json,
    Principal,
    Proof,
    Reply,
    Tool,
    Value,
)
from callgate.pipeline.list_interception import Items
from callgate.ports import StoreError
from callgate.protocol.definitions import Unusable, read_tool
from callgate.protocol.jsonrpc import Malformed, encode, parse_json
from callgate.protocol.methods import METHODS, method_tool
from callgate.protocol.naming import split_uri
from callgate.settings import Settings
from callgate.storage.reading import Records
from callgate.testing.building import a_tool

MAX_DEPTH = 128
ISSUER = "https://issuer.example"
LISTS = {
    "tools": "tools/list",
    "resources": "resources/list",
    "resourceTemplates": "resources/templates/list",
    "prompts": "prompts/list",
}
"""The member of a result that holds a list → the method that lists."""

_TOOL = "name it as `<target>___<tool>`"
_METHOD = "name the message: `notifications/message`, `notifications/progress`"
_IN_WORDS = {
    ("tool", "missing"): _TOOL,
    ("tool", "string_pattern_mismatch"): _TOOL,
    ("method", "missing"): _METHOD,
    ("method", "string_pattern_mismatch"): _METHOD,
}

S = TypeVar("S", bound=Settings)


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


class AskerSettings(RequestSettings):
    """Who asks for a list; `tool` says of which target, where not of all: `shop___tools/list`."""

    tool: str = Field(default="", pattern=r"|.+___.+")


class Message(Settings):
    """A message of a target, as a file says it."""

    method: str = Field(pattern=r"notifications/.+")
    params: dict[str, Json] = {}


class Given(Value):
    """What the command line adds to a call."""

    targets: tuple[str, ...] = ()  # of the configuration
    headers: tuple[tuple[str, str], ...] = ()
    claims: dict[str, Json] = {}
    facts: dict[str, dict[str, Json]] = {}
    tools: Path | None = None
    result: Path | None = None
    message: Path | None = None
    list: Path | None = None


class Material(Value):
    """The call to try on, and sentences on what an interceptor sees otherwise than it was."""

    call: Call
    notes: tuple[str, ...] = ()
    knows_tool: bool = False  # whether its definition is known
    message: Message | None = None
    items: Items = []  # of a list, as it is about to be shown


def of_file(path: Path | None, given: Given) -> Material:
    """The call in a file; without one, a list that somebody asks for. Raises CannotSay."""
    if given.list is not None:
        asker = AskerSettings() if path is None else _read(AskerSettings, path)
        return _of_list(asker, given)
    assert path is not None  # noqa: S101 - only a list needs none
    said = _read(RequestSettings, path)
    tool = _known(said.tool, given)
    call = _asked(said, said.tool, tool or a_tool(said.tool), given)
    return _with_message(Material(call=_replied(call, given), knows_tool=tool is not None), given)


def _asked(said: RequestSettings, name: str, tool: Tool, given: Given) -> Call:
    principal = Principal(**{**said.principal.model_dump(), "groups": said.principal.groups})
    return _call(
        id="c0000",
        requested_name=name,
        tool=tool,
        principal=_claimed(principal, given),
        arguments=said.arguments,
        headers=_headers(said.headers, given),
        meta=said.meta,
        labels=said.labels,
        enriched={**said.enriched, **given.facts},
        session_id=said.run or None,
    )


def _of_list(said: AskerSettings, given: Given) -> Material:
    target = said.tool.partition(SEPARATOR)[0]
    method, items = _listed(target, given)
    call = _asked(said, method, method_tool(target, method), given)
    return Material(call=call, knows_tool=True, items=items)


def _listed(target: str, given: Given) -> tuple[str, Items]:
    """What a file lists, with the target of each item; `target`: all are this one's."""
    path = given.list
    assert path is not None  # noqa: S101 - only then
    document = _object(path)
    held = next((name for name in LISTS if isinstance(document.get(name), list)), None)
    if held is None or (len(document) > 1 and all(isinstance(v, list) for v in document.values())):
        tools = [tool for tool in _tools(path) if target in ("", tool.target)]
        named = [({**tool.definition, "name": tool.qualified_name}, tool) for tool in tools]
        shown = [(tool.target, tool.definition if target else item) for item, tool in named]
        return "tools/list", shown
    items = document[held]
    if not all(isinstance(item, dict) for item in items):
        raise CannotSay(f"{path}: {held}: must be a list of objects")
    return LISTS[held], [(target or _target_of(item, given.targets), item) for item in items]


def _target_of(item: dict[str, Json], targets: Sequence[str]) -> str:
    """The target of an item as the route of all targets shows it."""
    uri = item.get("uri") or item.get("uriTemplate")
    if isinstance(uri, str):
        prefix = uri.partition("+")[0]
        return (split_uri(uri, targets) or (prefix if not targets else "",))[0]
    return str(item.get("name")).partition(SEPARATOR)[0]


def _with_message(material: Material, given: Given) -> Material:
    if given.message is None:
        return material
    return replace(material, message=_read(Message, given.message))


def _read(kind: type[S], path: Path) -> S:
    try:
        return kind.model_validate(_object(path))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        said = _IN_WORDS.get((where, first["type"]), first["msg"])
        raise CannotSay(f"{path}: {where}: {said}") from None


def of_record(records: Records, start: str, given: Given) -> Material:
    """A recorded call. Raises CannotSay, click.ClickException."""
    try:
        call_id = only(records.find(start), start)
        told: dict[str, Json] = {}
        for entry in records.entries(call_id):
            told |= entry
        of = description_of(told.get("principal") or {})
        described = None if of is None else records.defined(of)
        defined = records.defined(tool_id(told["tool_sha256"])) if told.get("tool_sha256") else None
    except StoreError as error:
        raise CannotSay(str(error)) from None
    asked = recalled(told, described)
    if asked is None:
        raise CannotSay(f"the call {call_id} did not get so far as to have a principal")
    settings = {
        "id": call_id,
        "principal": _claimed(asked.principal, given),
        "headers": _headers({}, given),
        "meta": {"traceparent": told["traceparent"]} if told.get("traceparent") else {},
        "session_id": told.get("session"),
    }
    lacking = [f"{asked.lacks}; --claim NAME=VALUE gives one"] if asked.lacks else []
    name, target, method = told.get("tool"), told.get("target"), told.get("method") or CALL_TOOL
    if given.list is not None:
        route = (target or "") if METHODS[method].is_list else ""
        method, items = _listed(route, given)
        call = _call(**settings, tool=method_tool(route, method), requested_name=method)
        return Material(call=call, notes=tuple(lacking), knows_tool=True, items=items)
    if not name or not target or METHODS[method].is_list:
        if METHODS[method].is_list:
            said = "is a list; what is shown in one is not recorded: --list FILE gives it"
        else:
            said = "did not get so far as a tool; interceptors of calls cannot be tried on it"
        raise CannotSay(f"the call {call_id} {said}")
    qualified = f"{target}{SEPARATOR}{name}"
    tool = _known(qualified, given) or _recorded(target, method, defined)
    call = _call(
        **settings,
        requested_name=told.get("name") or qualified,
        method=method,
        tool=tool or a_tool(qualified),
        arguments=told.get("arguments") or {},
        enriched=_merged(told.get("enriched") or {}, given.facts),
    )
    notes = (*_missing(told, call, given), *(lacking if not given.claims else ()))
    call = _replied(call, given, told)
    return _with_message(Material(call=call, notes=notes, knows_tool=tool is not None), given)


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
    tools = _tools(given.tools)
    return next((tool for tool in tools if tool.qualified_name == qualified), None)


def _tools(path: Path) -> tuple[Tool, ...]:
    try:
        return read_snapshot(path).tools
    except SnapshotError as error:
        raise CannotSay(str(error)) from None


def _call(**settings: Any) -> Call:
    return Call(
        received_at=0.0,
        era=Era.MODERN,
        protocol_version="2026-07-28",
        proof=Proof(),
        **{"method": settings["tool"].method, **settings},
    )


def _claimed(principal: Principal, given: Given) -> Principal:
    return replace(principal, claims={**principal.claims, **given.claims})


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
    return replace(call, reply=Reply(body=encode(result), is_error=is_error))


def _object(path: Path) -> dict[str, Json]:
    try:
        value = parse_json(read_text(path).encode(), max_depth=MAX_DEPTH)
    except Malformed as error:
        raise CannotSay(f"{path}: {error.reason}") from None
    if not isinstance(value, dict):
        raise CannotSay(f"{path}: must be a JSON object")
    return value
