"""What a feature may know and do while it answers one request, whatever the era and transport."""

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Json = dict[str, Any]

LEGACY_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN_VERSION = "2026-07-28"
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
META = "io.modelcontextprotocol/"
TASKS = META + "tasks"
SKILLS = META + "skills"
SERVER_INFO: Json = {"name": "conformance-fixture", "title": "Fixture", "version": "1.0.0"}

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32700, -32600, -32601
INVALID_PARAMS, INTERNAL_ERROR = -32602, -32603
LEGACY_RESOURCE_NOT_FOUND, URL_ELICITATION_REQUIRED = -32002, -32042
HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION = -32020, -32021, -32022

NEEDED_CAPABILITY = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


class RpcError(Exception):
    """A JSON-RPC error on its way to the client."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> Json:
        error: Json = {"code": self.code, "message": self.message}
        return error if self.data is None else error | {"data": self.data}


class MissingCapabilityError(RpcError):
    """The client did not declare what answering its request would need."""

    def __init__(self, required: Json) -> None:
        names = ", ".join(required.get("extensions") or required)
        super().__init__(
            MISSING_CAPABILITY,
            f"The client did not declare: {names}",
            {"requiredCapabilities": required},
        )


class ResourceNotFoundError(RpcError):
    """No such resource; legacy revisions have their own code for it."""

    def __init__(self, uri: object) -> None:
        super().__init__(INVALID_PARAMS, "Resource not found", {"uri": uri})


@dataclass(frozen=True)
class Caller:
    """All that the server knows about the client of one request."""

    era: str
    transport: str
    version: str
    capabilities: Json
    client: Json | None
    log_level: str | None
    session: str | None
    headers: Mapping[str, str]
    meta: Json

    def declares(self, ask: Json) -> bool:
        name = NEEDED_CAPABILITY[ask["method"]]
        declared = self.capabilities.get(name)
        if not isinstance(declared, dict):
            return False
        if name != "elicitation":
            return True
        if ask["params"].get("mode") == "url":
            return "url" in declared
        return not declared or "form" in declared

    def declares_extension(self, name: str) -> bool:
        extensions = self.capabilities.get("extensions")
        return isinstance(extensions, dict) and name in extensions


class Listener(Protocol):
    """Somebody who may want to hear that something changed."""

    def offer(self, method: str, params: Json) -> None: ...

    def close(self) -> None: ...


class Outlet(Protocol):
    """Where the messages that belong to one request go."""

    def put(self, message: Json) -> None: ...


@dataclass
class Slow:
    """How the `slow` calls of one label fared."""

    running: int = 0
    cancelled: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def count(self, *, running: int = 0, cancelled: int = 0) -> None:
        self.running += running
        self.cancelled += cancelled
        self.changed.set()
        self.changed = asyncio.Event()

    async def reach(self, *, running: int, cancelled: int) -> None:
        while self.running < running or self.cancelled < cancelled:
            await self.changed.wait()


class World:
    """What all requests share: who listens, what can change, which calls run."""

    def __init__(self, group: asyncio.TaskGroup, page_size: int = 0) -> None:
        self.page_size = page_size
        self.extras: set[str] = set()
        self.watched = 0
        self.slow: dict[str, Slow] = {}
        self._group = group
        self._running: set[asyncio.Task[None]] = set()
        self._listeners: list[Listener] = []

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._group.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def stop(self) -> None:
        for task in tuple(self._running):
            task.cancel()

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def forget(self, listener: Listener) -> None:
        if listener in self._listeners:
            self._listeners.remove(listener)

    def publish(self, method: str, params: Json) -> None:
        for listener in tuple(self._listeners):
            listener.offer(method, params)

    def close_listeners(self) -> int:
        listeners = tuple(self._listeners)
        for listener in listeners:
            listener.close()
        return len(listeners)

    def toggle(self, kind: str) -> None:
        """Show or hide the extra tool, prompt or resource, and tell whoever listens."""
        self.extras ^= {kind}
        self.publish(f"notifications/{kind}/list_changed", {})


class Exchange(ABC):
    """One request being answered: who asks, and what can be sent back meanwhile."""

    def __init__(self, world: World, caller: Caller) -> None:
        self.world = world
        self.caller = caller

    @abstractmethod
    def notify(self, method: str, params: Json) -> None:
        """Send a notification that belongs to this request."""

    @abstractmethod
    async def ask(self, asks: Mapping[str, Json], *, stateful: bool = True) -> dict[str, Json]:
        """Have the client answer, under the same keys; `stateful` insists on our request state."""

    def hang_up(self) -> bool:
        """Close the connection but not the request, where the transport can."""
        return False

    def progress(self, done: float, total: float | None = None, message: str = "") -> None:
        token = self.caller.meta.get("progressToken")
        if token is None:
            return
        params: Json = {"progressToken": token, "progress": done}
        if total is not None:
            params["total"] = total
        if message and self.caller.version != "2024-11-05":
            params["message"] = message
        self.notify("notifications/progress", params)

    def log(self, level: str, text: Any) -> None:
        wanted = self.caller.log_level
        if wanted is not None and LEVELS.index(level) >= LEVELS.index(wanted):
            params = {"level": level, "logger": "fixture", "data": text}
            self.notify("notifications/message", params)

    def require(self, ask: Json) -> None:
        if not self.caller.declares(ask):
            name = NEEDED_CAPABILITY[ask["method"]]
            is_url = ask["params"].get("mode") == "url"
            raise MissingCapabilityError({name: {"url": {}} if is_url else {}})


def is_message(message: Json) -> bool:
    id_ = message.get("id")
    has_good_id = id_ is None or (isinstance(id_, str | int) and not isinstance(id_, bool))
    return message.get("jsonrpc") == "2.0" and has_good_id


def elicit(message: str, properties: Json, required: tuple[str, ...] = ()) -> Json:
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return {
        "method": "elicitation/create",
        "params": {"message": message, "requestedSchema": schema},
    }


def elicit_url(message: str, url: str) -> Json:
    params = {"mode": "url", "message": message, "url": url}
    return {"method": "elicitation/create", "params": params}


def sample(prompt: str, max_tokens: int = 100) -> Json:
    message = {"role": "user", "content": {"type": "text", "text": prompt}}
    params = {"messages": [message], "maxTokens": max_tokens}
    return {"method": "sampling/createMessage", "params": params}


def list_roots() -> Json:
    return {"method": "roots/list", "params": {}}


def is_answer(ask: Json, answer: object) -> bool:
    """Whether an answer has the shape that its question asks for."""
    if not isinstance(answer, dict):
        return False
    if ask["method"] == "elicitation/create":
        return answer.get("action") in ("accept", "decline", "cancel")
    if ask["method"] == "roots/list":
        return isinstance(answer.get("roots"), list)
    return "content" in answer and "model" in answer and "role" in answer


def text(said: str) -> Json:
    return {"content": [{"type": "text", "text": said}]}


def failed(said: str) -> Json:
    return text(said) | {"isError": True}


def structured(value: Json) -> Json:
    return text(json.dumps(value, sort_keys=True)) | {"structuredContent": value}


def text_of(parameters: Json, name: str) -> str:
    value = parameters.get(name)
    if not isinstance(value, str):
        raise RpcError(INVALID_PARAMS, f"`{name}` must be given as a string")
    return value
