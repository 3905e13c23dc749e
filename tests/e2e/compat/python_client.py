"""The steps that a client on the Python SDK takes, and what it saw: one JSON line each."""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client.session import IncomingMessage
from mcp.shared.subscriptions import (
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.types import (
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    ListRootsResult,
    PromptReference,
    ResourceTemplateReference,
    Root,
    TextContent,
)
from pydantic import BaseModel, FileUrl

STEP_SECONDS = 120.0
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
UPDATED = "notifications/resources/updated"
LOGGED = "notifications/message"
EVENTS: dict[str, type[ServerEvent]] = {
    "tools": ToolsListChanged,
    "prompts": PromptsListChanged,
    "resources": ResourcesListChanged,
}
Json = Any
Heard = tuple[str, Json]


class StepError(Exception):
    """A step did not see what it should."""


class Told:
    """What the client was told outside of answers."""

    def __init__(self) -> None:
        self.all: list[Heard] = []
        self._heard = asyncio.Condition()

    async def hear(self, method: str, params: Json) -> None:
        async with self._heard:
            self.all.append((method, params))
            self._heard.notify_all()

    async def until(self, fits: Callable[[Heard], bool]) -> None:
        """Returns with the first that fits, now or later."""
        async with self._heard:
            await self._heard.wait_for(lambda: any(fits(one) for one in self.all))


class Peer:
    """One connection."""

    def __init__(self, client: Client, told: Told) -> None:
        self.client = client
        self.told = told
        self.is_modern = client.protocol_version >= "2026"

    async def call(self, wanted: Json, **options: Any) -> Json:
        result = plain(
            await self.client.call_tool(wanted["name"], wanted.get("arguments", {}), **options)
        )
        if result.get("isError"):
            raise StepError(json.dumps(result)[:600])
        expect(result, wanted.get("expect", []))
        return result

    @asynccontextmanager
    async def watching(self, uri: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Subscribes to a resource; what is yielded waits for its update."""
        if self.is_modern:
            async with self.client.listen(resource_subscriptions=[uri]) as events:

                async def updated() -> None:
                    async for event in events:
                        if event == ResourceUpdated(uri):
                            return
                    raise StepError("the stream ended")

                yield updated
        else:
            await self.client.subscribe_resource(uri)

            def fits(heard: Heard) -> bool:
                return heard[0] == UPDATED and heard[1]["uri"] == uri

            yield lambda: self.told.until(fits)
            await self.client.unsubscribe_resource(uri)


def plain(model: BaseModel) -> Json:
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


def expect(found: Json, wanted: str | list[str]) -> None:
    said = json.dumps(found, ensure_ascii=False)
    for text in [wanted] if isinstance(wanted, str) else wanted:
        # Compared as it stands within JSON, so that quotes and line ends fit too.
        if json.dumps(text, ensure_ascii=False)[1:-1] not in said:
            raise StepError(f"no {text!r} in {said[:600]}")


async def every_page(list_page: Callable[..., Awaitable[Any]], key: str) -> list[Json]:
    found: list[Json] = []
    cursor = None
    while True:
        page = await list_page(cursor=cursor)
        found += [plain(item) for item in getattr(page, key)]
        cursor = page.next_cursor
        if cursor is None:
            return found


async def tools(peer: Peer, step: Json) -> Json:
    return await every_page(peer.client.list_tools, "tools")


async def call(peer: Peer, step: Json) -> Json:
    await peer.call(step)


async def resources(peer: Peer, step: Json) -> Json:
    expect(await every_page(peer.client.list_resources, "resources"), step["lists"])
    expect(plain(await peer.client.read_resource(step["reads"])), step["expect"])


async def links(peer: Peer, step: Json) -> Json:
    result = await peer.call(step["call"])
    found = [block["uri"] for block in result["content"] if block["type"] == "resource_link"]
    expect(plain(await peer.client.read_resource(found[-1])), step["expect"])


async def templates(peer: Peer, step: Json) -> Json:
    listed = await every_page(peer.client.list_resource_templates, "resource_templates")
    expect(listed, step["lists"])
    expect(plain(await peer.client.read_resource(step["reads"])), step["expect"])


async def prompts(peer: Peer, step: Json) -> Json:
    expect(await every_page(peer.client.list_prompts, "prompts"), step["lists"])
    got = await peer.client.get_prompt(step["gets"]["name"], step["gets"].get("arguments"))
    expect(plain(got), step["expect"])


async def completion(peer: Peer, step: Json) -> Json:
    for one in step:
        ref: PromptReference | ResourceTemplateReference
        if one["ref"]["type"] == "ref/prompt":
            ref = PromptReference(type="ref/prompt", name=one["ref"]["name"])
        else:
            ref = ResourceTemplateReference(type="ref/resource", uri=one["ref"]["uri"])
        context = one.get("context", {}).get("arguments")
        done = await peer.client.complete(ref, one["argument"], context)
        if done.completion.values != one["expect"]:
            raise StepError(f"{one}: {done}")


async def progress(peer: Peer, step: Json) -> Json:
    seen: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    await peer.call(step["call"], progress_callback=note)
    # The SDKs drop what is reported together with the answer: the last step may be missing.
    if seen not in (step["expect"], step["expect"][:-1]):
        raise StepError(f"progress was {seen}")


async def logging(peer: Peer, step: Json) -> Json:
    meta: Any = {LOG_LEVEL: step["level"]} if peer.is_modern else None
    if not peer.is_modern:
        await peer.client.set_logging_level(step["level"])
    if "subscribe" in step:
        await peer.client.subscribe_resource(step["subscribe"])
    if "call" in step:
        await peer.call(step["call"], meta=meta)
    last = step["expect"][-1]
    await peer.told.until(lambda heard: heard[0] == LOGGED and last in json.dumps(heard[1]))
    levels = [params["level"] for method, params in peer.told.all if method == LOGGED]
    if levels != step.get("levels", levels):
        raise StepError(f"levels were {levels}")
    if "subscribe" in step:
        await peer.client.unsubscribe_resource(step["subscribe"])


async def subscription(peer: Peer, step: Json) -> Json:
    async with peer.watching(step["uri"]) as updated:
        started = step.get("started", "")
        if started not in json.dumps(await peer.call(step["trigger"])):
            await peer.call({**step["trigger"], "expect": started})  # left on by another client
        await updated()
        if "stop" in step:
            await peer.call(step["stop"])


async def list_changed(peer: Peer, step: Json) -> Json:
    async with AsyncExitStack() as stack:
        events = None
        if peer.is_modern:
            wanted: Any = {f"{what}_list_changed": True for what in step["what"]}
            events = await stack.enter_async_context(peer.client.listen(**wanted))
        for one in step["calls"]:
            missing = set(step["what"])
            peer.told.all.clear()
            await peer.call(one)
            while events is not None and missing:
                event = await anext(events)
                missing -= {what for what in missing if isinstance(event, EVENTS[what])}
            for what in missing:
                method = f"notifications/{what}/list_changed"
                await peer.told.until(lambda heard, method=method: heard[0] == method)  # type: ignore[misc]  # a default binds the loop's name


async def cancellation(peer: Peer, step: Json) -> Json:
    running = asyncio.Event()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        running.set()

    calling = asyncio.ensure_future(peer.call(step["call"], progress_callback=note))
    await running.wait()
    calling.cancel()
    await asyncio.wait([calling])
    if not calling.cancelled():
        raise StepError(f"the call ended with {calling.exception() or calling.result()}")
    await peer.call(step["check"])


STEPS: dict[str, Callable[[Peer, Json], Awaitable[Json]]] = {
    "tools": tools,
    "call": call,
    "elicitation": call,
    "sampling": call,
    "roots": call,
    "resources": resources,
    "links": links,
    "templates": templates,
    "prompts": prompts,
    "completion": completion,
    "progress": progress,
    "logging": logging,
    "subscription": subscription,
    "list_changed": list_changed,
    "cancellation": cancellation,
}


async def elicit(context: object, params: ElicitRequestParams) -> ElicitResult:
    if not isinstance(params, ElicitRequestFormParams):
        return ElicitResult(action="accept")
    return ElicitResult(action="accept", content={"name": "Ada"})


async def sample(context: object, params: CreateMessageRequestParams) -> CreateMessageResult:
    content = TextContent(type="text", text="sampled")
    return CreateMessageResult(role="assistant", content=content, model="none")


def client_of(connection: Json, told: Told) -> Client:
    async def list_roots(context: object) -> ListRootsResult:
        return ListRootsResult(roots=[Root(uri=FileUrl(connection["root"]), name="compatibility")])

    async def note(message: IncomingMessage) -> None:
        if not isinstance(message, Exception):
            said = plain(message)
            await told.hear(said["method"], said.get("params"))

    endpoint = connection["endpoint"]
    server: Any = endpoint.get("url") or StdioServerParameters(**endpoint)
    return Client(
        server,
        mode=connection.get("mode", "auto"),
        elicitation_callback=elicit,
        sampling_callback=sample,
        list_roots_callback=list_roots,
        message_handler=note,
    )


def report(connection: Json, target: str, feature: str, outcome: Json) -> None:
    line = {"connection": connection["id"], "target": target, "feature": feature, **outcome}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


async def attempt(work: Awaitable[Json]) -> Json:
    try:
        async with asyncio.timeout(STEP_SECONDS):
            return {"ok": True, "said": await work}
    except TimeoutError:
        return {"ok": False, "said": "took too long"}
    except Exception as error:  # noqa: BLE001 - whatever goes wrong is what is reported
        return {"ok": False, "said": f"{type(error).__name__}: {error}"}


async def play(connection: Json) -> None:
    told = Told()
    async with AsyncExitStack() as stack:
        opening = stack.enter_async_context(client_of(connection, told))
        opened = await attempt(opening)
        peer = None
        if opened["ok"]:
            client = opened["said"]
            peer = Peer(client, told)
            opened["said"] = {
                "version": client.protocol_version,
                "capabilities": plain(client.server_capabilities),
            }
        for part in connection["parts"]:
            report(connection, part["target"], "connect", opened)
            for feature, step in part["steps"].items():
                if peer is None:
                    break
                told.all.clear()
                done = await attempt(STEPS[feature](peer, step))
                report(connection, part["target"], feature, done)


async def main() -> None:
    for connection in json.load(sys.stdin)["connections"]:
        await play(connection)


if __name__ == "__main__":
    # The SDK warns about what 2026-07-28 deprecates, and leaves its child to the garbage collector.
    warnings.simplefilter("ignore")
    asyncio.run(main())
