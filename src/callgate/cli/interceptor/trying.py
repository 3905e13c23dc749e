"""One interceptor asked about one call, at one point, as the gateway asks it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec
from msgspec.structs import replace

from callgate.app.clock import SystemClock
from callgate.cli.interceptor.material import Material
from callgate.cli.policy.grounds import CannotSay
from callgate.model import Call, Change, Json, Ran, Refused, Reply, Value
from callgate.pipeline.attaching import LIST, MESSAGE, REQUEST, RESULT, Attachment
from callgate.pipeline.interception import (
    AboutRequest,
    AboutResult,
    ask_about_message,
    ask_about_request,
    ask_about_result,
)
from callgate.pipeline.list_interception import Items, ask_about_list
from callgate.pipeline.wishes import Copies
from callgate.protocol.validators import Validators
from callgate.scrutiny import Passive

DROPPED = "dropped"  # of a message: no refusal, for the call goes on
_decode = msgspec.json.Decoder().decode


class Tried(Value):
    """What came of it."""

    call: Call  # as the interceptor left it
    changes: tuple[Change, ...] = ()
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    code: str | None = None  # a refusal code; DROPPED
    reason: str = ""
    detail: str = ""
    is_skipped: bool = False  # its bytes proved that there is nothing to see


async def tried_at(point: str, material: Material, attachment: Attachment) -> Tried:
    """What it wants of the call at this point. Raises CannotSay."""
    return await _ASKING[point](material, attachment)


def looks_at(point: str, attachment: Attachment) -> bool:
    """Whether an interceptor of this kind ever looks at such a thing."""
    name = f"on_{point}"
    return getattr(type(attachment.interceptor), name, None) is not getattr(Passive, name)


async def _about_request(material: Material, attachment: Attachment) -> Tried:
    call = material.call
    about = AboutRequest(call.arguments)
    before = call.arguments
    if attachment.may_skip and attachment.interceptor.may_skip(about.text_of(call)):
        return Tried(call=call, before=before, after=before, is_skipped=True)
    try:
        left = await ask_about_request(call, attachment, about, SystemClock())
    except Refused as refused:
        return _refused(call, refused, before)
    tried = Tried(call=left, changes=left.changes, before=before, after=left.arguments)
    if left.arguments is not before and material.knows_tool and left.tool is not None:
        problem = Validators().validate(left.tool, left.arguments)
        if problem is not None:
            return replace(tried, code="invalid_arguments", reason=problem)
    return tried


async def _about_result(material: Material, attachment: Attachment) -> Tried:
    call = replace(material.call, ran=Ran.YES)
    reply = call.reply or Reply(body=b"{}")
    parsed = _decode(reply.body)
    shown = Copies({"error": parsed}) if reply.is_error else Copies(parsed, reply.body)
    before: dict[str, Json] = shown.value
    if attachment.may_skip and attachment.interceptor.may_skip(reply.body):
        return Tried(call=call, before=before, after=before, is_skipped=True)
    about = AboutResult(call.arguments, shown)
    try:
        left, after = await ask_about_result(call, attachment, about, SystemClock())
    except Refused as refused:
        return _refused(call, refused, before)
    return Tried(call=left, changes=left.changes, before=before, after=after)


def _refused(call: Call, refused: Refused, before: dict[str, Json]) -> Tried:
    left = refused.call or call
    return Tried(
        call=left,
        changes=left.changes,
        before=before,
        after=before,
        code=refused.code,
        reason=refused.reason,
        detail=refused.detail,
    )


async def _about_message(material: Material, attachment: Attachment) -> Tried:
    call, message = replace(material.call, ran=Ran.UNKNOWN), material.message
    assert message is not None  # noqa: S101 - it is asked about one
    before = message.params
    left, after = await ask_about_message(call, attachment, message.method, before, SystemClock())
    if after is None:
        return Tried(call=left, changes=left.changes, before=before, after=before, code=DROPPED)
    return Tried(call=left, changes=left.changes, before=before, after=after)


async def _about_list(material: Material, attachment: Attachment) -> Tried:
    call, items = material.call, material.items
    before = by_name(items)
    if len(before) < len(items):
        raise CannotSay("the list has an item twice")
    try:
        left, after = await ask_about_list(call, attachment, list(items), SystemClock())
    except Refused as refused:
        return _refused(call, refused, before)
    return Tried(call=left, changes=left.changes, before=before, after=by_name(after))


def by_name(items: Items) -> dict[str, Json]:
    """A list as its items under their names."""
    return {name_of(item): item for _, item in items}


def name_of(item: Mapping[str, Json]) -> str:
    """What an item of a list is used by: a URI, a template of URIs, or its name."""
    return str(item.get("uriTemplate") or item.get("uri") or item.get("name"))


_ASKING: Mapping[str, Callable[[Material, Attachment], Awaitable[Tried]]] = {
    REQUEST: _about_request,
    RESULT: _about_result,
    MESSAGE: _about_message,
    LIST: _about_list,
}
