"""Prompts, resources and completions of the fixture; their names are the conformance suite's."""

import json
import re
import struct
import zlib
from base64 import b64encode

from fakes.conformance_server.exchange import (
    INVALID_PARAMS,
    Exchange,
    Json,
    ResourceNotFoundError,
    RpcError,
    elicit,
    text_of,
)
from fakes.conformance_server.skills import SKILL_FILES, SKILL_RESOURCES

WATCHED = "test://watched-resource"
EXTRA = "test://extra-resource"
TEMPLATE = re.compile(r"test://template/([^/]+)/data")


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _red_pixel() -> str:
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\xff\x00\x00")
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b64encode(b"\x89PNG\r\n\x1a\n" + chunks).decode()


def _silence() -> str:
    sound = bytes(16)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVE" + form + struct.pack("<4sI", b"data", len(sound)) + sound
    return b64encode(struct.pack("<4sI", b"RIFF", len(body)) + body).decode()


IMAGE: Json = {"type": "image", "data": _red_pixel(), "mimeType": "image/png"}
AUDIO: Json = {"type": "audio", "data": _silence(), "mimeType": "audio/wav"}

RESOURCES: tuple[Json, ...] = (
    {
        "uri": "test://static-text",
        "name": "static-text",
        "description": "A text that never changes",
        "mimeType": "text/plain",
    },
    {
        "uri": "test://static-binary",
        "name": "static-binary",
        "description": "An image of one red pixel",
        "mimeType": "image/png",
    },
    {
        "uri": WATCHED,
        "name": "watched-resource",
        "description": "A text that `update_resource` changes",
        "mimeType": "text/plain",
    },
    *SKILL_RESOURCES,
)
EXTRA_RESOURCE: Json = {
    "uri": EXTRA,
    "name": "extra-resource",
    "description": "Comes and goes with `notify_changes`",
    "mimeType": "text/plain",
}
TEMPLATES: tuple[Json, ...] = (
    {
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data for an id",
        "mimeType": "application/json",
    },
)


def _prompt(name: str, description: str, *arguments: str) -> Json:
    return {
        "name": name,
        "description": description,
        "arguments": [
            {"name": each, "description": f"Value for {each}", "required": True}
            for each in arguments
        ],
    }


PROMPTS: tuple[Json, ...] = (
    _prompt("test_simple_prompt", "A prompt without arguments"),
    _prompt("test_prompt_with_arguments", "A prompt with two arguments", "arg1", "arg2"),
    _prompt("test_prompt_with_embedded_resource", "A prompt that embeds", "resourceUri"),
    _prompt("test_prompt_with_image", "A prompt with an image"),
    _prompt("test_input_required_result_prompt", "A prompt that first asks the user"),
)
EXTRA_PROMPT: Json = _prompt("extra_prompt", "Comes and goes with `notify_changes`")


def listed_resources(exchange: Exchange) -> list[Json]:
    extras = [EXTRA_RESOURCE] if "resources" in exchange.world.extras else []
    return [*RESOURCES, *extras]


def listed_prompts(exchange: Exchange) -> list[Json]:
    extras = [EXTRA_PROMPT] if "prompts" in exchange.world.extras else []
    return [*PROMPTS, *extras]


async def read_resource(exchange: Exchange, params: Json) -> Json:
    uri = text_of(params, "uri")
    return {"contents": [{"uri": uri, **_contents(exchange, uri)}]}


def _contents(exchange: Exchange, uri: str) -> Json:
    if found := TEMPLATE.fullmatch(uri):
        id_ = found.group(1)
        value = {"id": id_, "templateTest": True, "data": f"Data for ID: {id_}"}
        return {"mimeType": "application/json", "text": json.dumps(value)}
    if uri in SKILL_FILES:
        return {"mimeType": "text/markdown", "text": SKILL_FILES[uri]}
    if uri == "test://static-binary":
        return {"mimeType": "image/png", "blob": IMAGE["data"]}
    texts = {
        "test://static-text": "This is the content of the static text resource.",
        WATCHED: f"Version {exchange.world.watched} of the watched resource.",
    }
    if "resources" in exchange.world.extras:
        texts[EXTRA] = "This resource comes and goes."
    if uri not in texts:
        raise ResourceNotFoundError(uri)
    return {"mimeType": "text/plain", "text": texts[uri]}


def _said(*contents: Json) -> Json:
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def _text(said: str) -> Json:
    return {"type": "text", "text": said}


async def get_prompt(exchange: Exchange, params: Json) -> Json:
    name = params.get("name")
    arguments = params.get("arguments") or {}
    if name == "test_simple_prompt":
        return _said(_text("This is a simple prompt for testing."))
    if name == "test_prompt_with_arguments":
        one, two = text_of(arguments, "arg1"), text_of(arguments, "arg2")
        return _said(_text(f"Prompt with arguments: arg1='{one}', arg2='{two}'"))
    if name == "test_prompt_with_embedded_resource":
        return _embedding(text_of(arguments, "resourceUri"))
    if name == "test_prompt_with_image":
        return _said(IMAGE, _text("Please analyze the image above."))
    if name == "test_input_required_result_prompt":
        return await _asking(exchange)
    if name == "extra_prompt" and "prompts" in exchange.world.extras:
        return _said(_text("This prompt comes and goes."))
    raise RpcError(INVALID_PARAMS, f"Unknown prompt: {name}")


def _embedding(uri: str) -> Json:
    resource = {
        "uri": uri,
        "mimeType": "text/plain",
        "text": "Embedded resource content for testing.",
    }
    return _said(
        {"type": "resource", "resource": resource},
        _text("Please process the embedded resource above."),
    )


async def _asking(exchange: Exchange) -> Json:
    question = elicit(
        "What context should the prompt use?", {"context": {"type": "string"}}, ("context",)
    )
    answers = await exchange.ask({"user_context": question}, stateful=False)
    given = (answers["user_context"].get("content") or {}).get("context", "")
    return _said(_text(f"Use this context: {given}"))


CANDIDATES = {
    "test_prompt_with_arguments": ("paris", "park", "party", "test", "tested"),
    "test_prompt_with_embedded_resource": ("test://static-text", WATCHED),
    "test://template/{id}/data": ("123", "124", "200"),
}


async def complete(exchange: Exchange, params: Json) -> Json:
    ref, argument = params.get("ref"), params.get("argument")
    if not isinstance(ref, dict) or not isinstance(argument, dict):
        raise RpcError(INVALID_PARAMS, "`ref` and `argument` must be objects")
    named = ref.get("name" if ref.get("type") == "ref/prompt" else "uri")
    if named not in CANDIDATES:
        raise RpcError(INVALID_PARAMS, f"Nothing to complete for {named}")
    begun = text_of(argument, "value")
    values = [each for each in CANDIDATES[named] if each.startswith(begun)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}}
