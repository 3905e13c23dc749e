"""Lists of tools, resources, templates and prompts, as the caller may see them."""

from __future__ import annotations

from callgate.downstream.inbound import Answer, Desk, Inbound
from callgate.downstream.using import status_of
from callgate.model import Call, Era, Outcome, Refused
from callgate.pipeline.list_interception import scrutinised_list
from callgate.pipeline.listing import KINDS, TargetSaid, visible_items, visible_tools
from callgate.pipeline.pipeline import govern, record_list, record_refusal
from callgate.protocol.bridge import modern_status
from callgate.protocol.jsonrpc import INVALID_PARAMS, Malformed, encode, response
from callgate.protocol.mcp import LIST_TTL_MS, list_result
from callgate.protocol.refusals import refusal_data, refusal_of

UNAVAILABLE = "callgate/unavailable"


async def show_tools(desk: Desk, inbound: Inbound) -> Answer:
    """tools/list: from the catalogue, because policy needs every definition anyway."""
    if inbound.message.params.get("cursor") is not None:
        raise Malformed(
            INVALID_PARAMS,
            "There is one page only; ask without a cursor.",
            message_id=inbound.message.id,
        )
    gateway = desk.current()
    call = desk.call(inbound, gateway, "tools/list", {})
    tools, varies = await visible_tools(call, gateway, desk.route(inbound))
    try:
        call, tools = await scrutinised_list(call, gateway, desk.route(inbound), tools)
    except Refused as refused:
        record_refusal(refused.call or call, refused, gateway)
        return _refused(inbound, refused)
    record_list(call, gateway, len(tools))
    result = list_result("tools", tools, inbound.era, 0 if varies else LIST_TTL_MS)
    return Answer(body=response(inbound.message.id, result))


async def show_items(desk: Desk, inbound: Inbound) -> Answer:
    """resources/list, resources/templates/list, prompts/list: asked of the targets now, in the
    caller's own sessions, because these lists may differ from session to session.
    """
    message = inbound.message
    gateway = desk.current()
    cursor = message.params.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        reason = "`params.cursor` must be a string."
        raise Malformed(INVALID_PARAMS, reason, message_id=message.id)
    arguments = {} if cursor is None else {"cursor": cursor}
    call = desk.call(inbound, gateway, message.method or "", arguments)
    outside = desk.outside(inbound)

    async def ask(one: Call) -> Outcome:
        return await govern(one, gateway, inbound.caller, outside)

    with desk.on_its_way(inbound):
        try:
            page = await visible_items(call, gateway, desk.route(inbound), ask)
        except TargetSaid as said:
            status = modern_status(encode(said.error)) if inbound.era is Era.MODERN else 200
            body = encode({"jsonrpc": "2.0", "id": message.id, "error": said.error})
            return Answer(status, body)
        except Refused as refused:
            return _refused(inbound, refused)
    more = {UNAVAILABLE: list(page.unavailable)} if page.unavailable else None
    try:
        call, items = await scrutinised_list(call, gateway, desk.route(inbound), page.items)
    except Refused as refused:
        record_refusal(refused.call or call, refused, gateway)
        return _refused(inbound, refused)
    result = list_result(
        KINDS[call.method].items,
        items,
        inbound.era,
        page.ttl_ms,
        nextCursor=page.cursor,
        _meta=more,
    )
    return Answer(body=response(message.id, result))


def _refused(inbound: Inbound, refused: Refused) -> Answer:
    refusal = refusal_of(refused.code)
    error = {
        "code": refusal.error_code or -32603,
        "message": refused.reason,
        "data": {"callgate/refusal": refusal_data(refused.code, refused.reason, None)},
    }
    body = encode({"jsonrpc": "2.0", "id": inbound.message.id, "error": error})
    return Answer(status_of(refused.code, inbound.era), body)
