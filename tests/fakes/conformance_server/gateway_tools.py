"""Tools beyond the suite: what a gateway must bridge, and what shows whether it did."""

import asyncio
import secrets

from fakes.conformance_server.content import WATCHED
from fakes.conformance_server.exchange import (
    LEVELS,
    META,
    URL_ELICITATION_REQUIRED,
    Exchange,
    Json,
    RpcError,
    Slow,
    elicit,
    elicit_url,
    list_roots,
    sample,
    structured,
    text,
    text_of,
)
from fakes.conformance_server.tool import Tool

LONGEST_WAIT_SECONDS = 10.0
COUNTS = ("running", "cancelled")


async def _ask_elicitation(exchange: Exchange, arguments: Json) -> Json:
    message = arguments.get("message", "What is your name?")
    if url := arguments.get("url"):
        question = elicit_url(message, url)
    else:
        question = elicit(message, {"name": {"type": "string"}}, ("name",))
    return structured((await exchange.ask({"asked": question}))["asked"])


async def _ask_sampling(exchange: Exchange, arguments: Json) -> Json:
    prompt = arguments.get("prompt", "Say something.")
    return structured((await exchange.ask({"asked": sample(prompt)}))["asked"])


async def _ask_roots(exchange: Exchange, arguments: Json) -> Json:
    return structured((await exchange.ask({"asked": list_roots()}))["asked"])


async def _needs_url(exchange: Exchange, arguments: Json) -> Json:
    question = elicit_url("Please sign in", text_of(arguments, "url"))
    if exchange.caller.era == "legacy":
        pending = question["params"] | {"elicitationId": secrets.token_hex(8)}
        raise RpcError(
            URL_ELICITATION_REQUIRED, "Please sign in first", {"elicitations": [pending]}
        )
    return structured((await exchange.ask({"sign_in": question}))["sign_in"])


async def _many_progress(exchange: Exchange, arguments: Json) -> Json:
    count = int(arguments["n"])
    for step in range(1, count + 1):
        exchange.progress(step, count, f"step {step}")
        await asyncio.sleep(0)
    return text(f"Reported {count} steps.")


async def _mirrored(exchange: Exchange, arguments: Json) -> Json:
    sent = {
        name: value
        for name, value in exchange.caller.headers.items()
        if name.startswith("mcp-param-")
    }
    return structured({"arguments": arguments, "headers": sent})


async def _notify_changes(exchange: Exchange, arguments: Json) -> Json:
    kinds = arguments.get("kinds") or ["tools", "prompts", "resources"]
    for kind in kinds:
        exchange.world.toggle(kind)
    return text(f"Changed: {', '.join(kinds)}")


async def _update_resource(exchange: Exchange, arguments: Json) -> Json:
    exchange.world.watched += 1
    exchange.world.publish("notifications/resources/updated", {"uri": WATCHED})
    return text(f"{WATCHED} is at version {exchange.world.watched}.")


async def _end_subscriptions(exchange: Exchange, arguments: Json) -> Json:
    return text(f"Ended {exchange.world.close_listeners()} streams.")


async def _slow(exchange: Exchange, arguments: Json) -> Json:
    counts = exchange.world.slow.setdefault(arguments.get("label", ""), Slow())
    counts.count(running=1)
    exchange.progress(0, 1, "started")
    try:
        await asyncio.sleep(float(arguments.get("seconds", 60)))
    except asyncio.CancelledError:
        counts.count(cancelled=1)
        raise
    finally:
        counts.count(running=-1)
    return text("Slept to the end.")


async def _was_cancelled(exchange: Exchange, arguments: Json) -> Json:
    counts = exchange.world.slow.setdefault(arguments.get("label", ""), Slow())
    least = {name: int(arguments.get(name, 0)) for name in COUNTS}
    try:
        async with asyncio.timeout(LONGEST_WAIT_SECONDS):
            await counts.reach(**least)
    except TimeoutError:
        pass
    return structured({"cancelled": counts.cancelled, "running": counts.running})


async def _log_at(exchange: Exchange, arguments: Json) -> Json:
    for level in LEVELS:
        exchange.log(level, f"a message at {level}")
    return text("Logged one message at each level.")


async def _whoami(exchange: Exchange, arguments: Json) -> Json:
    caller = exchange.caller
    kept = {k: v for k, v in caller.headers.items() if k not in ("host", "content-length")}
    other = {k: v for k, v in caller.meta.items() if not k.startswith(META)}
    return structured(
        {
            "era": caller.era,
            "transport": caller.transport,
            "protocolVersion": caller.version,
            "capabilities": caller.capabilities,
            "clientInfo": caller.client,
            "logLevel": caller.log_level,
            "sessionId": caller.session,
            "headers": kept,
            "meta": other,
        }
    )


async def _extra(exchange: Exchange, arguments: Json) -> Json:
    return text("This tool comes and goes.")


EXTRA_TOOL = Tool("extra_tool", "Comes and goes with `notify_changes`", _extra)
READING = {"readOnlyHint": True, "openWorldHint": False}
LABEL: Json = {"label": {"type": "string", "description": "Counted apart from other labels"}}

GATEWAY_TOOLS = (
    Tool(
        "ask_elicitation",
        "Asks the user, in a form or, with `url`, at an address",
        _ask_elicitation,
        {"message": {"type": "string"}, "url": {"type": "string"}},
    ),
    Tool("ask_sampling", "Asks the client's model", _ask_sampling, {"prompt": {"type": "string"}}),
    Tool("ask_roots", "Asks for the client's roots", _ask_roots),
    Tool(
        "needs_url",
        "Cannot go on before the user went to an address",
        _needs_url,
        {"url": {"type": "string"}},
        ("url",),
    ),
    Tool(
        "many_progress",
        "Reports n steps",
        _many_progress,
        {"n": {"type": "integer", "minimum": 0, "maximum": 10000}},
        ("n",),
    ),
    Tool(
        "mirrored",
        "Echoes its arguments and the headers that mirror them",
        _mirrored,
        {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
            "urgent": {"type": "boolean", "x-mcp-header": "Urgent"},
            "nested": {
                "type": "object",
                "properties": {"city": {"type": "string", "x-mcp-header": "City"}},
            },
            "plain": {"type": "string"},
        },
        annotations=READING,
    ),
    Tool(
        "notify_changes",
        "Adds or removes an extra tool, prompt and resource, and says so",
        _notify_changes,
        {
            "kinds": {
                "type": "array",
                "items": {"type": "string", "enum": ["tools", "prompts", "resources"]},
            }
        },
    ),
    Tool("update_resource", f"Changes {WATCHED}", _update_resource),
    Tool(
        "end_subscriptions",
        "Ends all open streams of subscriptions and, in sessions, of GET",
        _end_subscriptions,
    ),
    Tool(
        "slow",
        "Waits until cancelled or `seconds` (60) pass",
        _slow,
        {"seconds": {"type": "number", "minimum": 0, "maximum": 3600}} | LABEL,
    ),
    Tool(
        "was_cancelled",
        "How many `slow` calls run and were cancelled; waits up to 10 s for the counts given",
        _was_cancelled,
        {name: {"type": "integer", "minimum": 0} for name in COUNTS} | LABEL,
        output={
            "type": "object",
            "properties": {name: {"type": "integer"} for name in COUNTS},
            "required": list(COUNTS),
        },
        annotations=READING,
    ),
    Tool("log_at", "Logs one message at each level", _log_at, annotations=READING),
    Tool(
        "whoami",
        "What the server knows about the client of this request",
        _whoami,
        output={"type": "object"},
        annotations=READING,
    ),
)
