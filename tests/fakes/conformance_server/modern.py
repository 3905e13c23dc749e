"""The stateless era (2026-07-28): checked requests, questions as results, subscriptions."""

import asyncio
import hashlib
import hmac
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping

from fakes.conformance_server.exchange import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    LEVELS,
    META,
    METHOD_NOT_FOUND,
    MODERN_VERSION,
    SERVER_INFO,
    SKILLS,
    TASKS,
    UNSUPPORTED_VERSION,
    Caller,
    Exchange,
    Json,
    MissingCapabilityError,
    Outlet,
    RpcError,
    World,
    is_answer,
)
from fakes.conformance_server.features import (
    FEATURES,
    arguments_of,
    call_tool,
    find_tool,
    page,
)
from fakes.conformance_server.skills import SKILL, get_skill, read_directory
from fakes.conformance_server.tasks import Tasks

STATE_SECONDS = 600
CAPABILITIES: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
    "extensions": {TASKS: {}, SKILLS: {"directoryRead": True}},
}
CACHING: dict[str, Json] = {
    "server/discover": {"ttlMs": 60_000, "cacheScope": "public"},
    "tools/list": {"ttlMs": 1000, "cacheScope": "public"},
    "prompts/list": {"ttlMs": 1000, "cacheScope": "public"},
    "resources/list": {"ttlMs": 1000, "cacheScope": "public"},
    "resources/templates/list": {"ttlMs": 60_000, "cacheScope": "public"},
    "resources/read": {"ttlMs": 0, "cacheScope": "private"},
    "resources/directory/read": {"ttlMs": 60_000, "cacheScope": "public"},
    "skills/list": {"ttlMs": 60_000, "cacheScope": "public"},
    "skills/get": {"ttlMs": 60_000, "cacheScope": "public"},
}
LIST_CHANGES = {
    "notifications/tools/list_changed": "toolsListChanged",
    "notifications/prompts/list_changed": "promptsListChanged",
    "notifications/resources/list_changed": "resourcesListChanged",
}


class InputRequiredError(Exception):
    """The request cannot be answered before its client answers something."""

    def __init__(self, result: Json) -> None:
        super().__init__("input required")
        self.result = result


class RequestState:
    """Our own memory of a request, kept by the client: signed, bound to the request, short-lived."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def seal(self, request: str, answers: Json, pending: list[str]) -> str:
        until = asyncio.get_running_loop().time() + STATE_SECONDS
        state = [secrets.token_hex(8), request, until, answers, pending]
        payload = urlsafe_b64encode(json.dumps(state).encode()).decode()
        return f"{payload}.{self._sign(payload)}"

    def open(self, request: str, sealed: str) -> tuple[Json, list[str]]:
        payload, _, signature = sealed.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._sign(payload).encode()):
            raise RpcError(INVALID_PARAMS, "requestState fails its integrity check")
        _, bound_to, until, answers, pending = json.loads(urlsafe_b64decode(payload))
        if bound_to != request:
            raise RpcError(INVALID_PARAMS, "requestState belongs to another request")
        if until < asyncio.get_running_loop().time():
            raise RpcError(INVALID_PARAMS, "requestState has expired")
        return answers, pending

    def _sign(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(), hashlib.sha256).hexdigest()


def _identity(method: str, params: Json) -> str:
    asked = {key: params.get(key) for key in ("name", "uri", "arguments")}
    return hashlib.sha256(json.dumps([method, asked], sort_keys=True).encode()).hexdigest()


class ModernExchange(Exchange):
    """A request that is answered at once: with a result, or with what must be asked first."""

    def __init__(
        self, world: World, caller: Caller, outlet: Outlet, states: RequestState, message: Json
    ) -> None:
        super().__init__(world, caller)
        self._outlet = outlet
        self._states = states
        params = message["params"]
        self._request = _identity(message["method"], params)
        self._responses = self._read_responses(params)
        self._answers: Json = {}
        self._pending: list[str] = []
        if "requestState" in params:
            sealed = params["requestState"]
            if not isinstance(sealed, str):
                raise RpcError(INVALID_PARAMS, "`requestState` must be a string")
            self._answers, self._pending = states.open(self._request, sealed)

    @staticmethod
    def _read_responses(params: Json) -> Json:
        responses = params.get("inputResponses", {})
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "`inputResponses` must be an object")
        return responses

    def notify(self, method: str, params: Json) -> None:
        self._outlet.put({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, asks: Mapping[str, Json], *, stateful: bool = True) -> dict[str, Json]:
        for ask in asks.values():
            self.require(ask)
        for key, ask in asks.items():
            is_expected = key in self._pending or not stateful
            if is_expected and is_answer(ask, self._responses.get(key)):
                self._answers[key] = self._responses[key]
        missing = {key: ask for key, ask in asks.items() if key not in self._answers}
        if not missing:
            return {key: self._answers[key] for key in asks}
        result: Json = {"resultType": "input_required", "inputRequests": missing}
        if stateful:
            result["requestState"] = self._states.seal(self._request, self._answers, list(missing))
        raise InputRequiredError(result)


class Subscription:
    """One open `subscriptions/listen` stream."""

    def __init__(self, id_: object, granted: Json, outlet: Outlet) -> None:
        self.tag = {META + "subscriptionId": id_}
        self.ended = asyncio.Event()
        self._granted = granted
        self._outlet = outlet

    def offer(self, method: str, params: Json) -> None:
        if self._wants(method, params):
            self.send(method, params)

    def _wants(self, method: str, params: Json) -> bool:
        if method == "notifications/resources/updated":
            return params["uri"] in self._granted.get("resourceSubscriptions", ())
        if method == "notifications/tasks":
            return params["taskId"] in self._granted.get("taskIds", ())
        return LIST_CHANGES.get(method) in self._granted

    def send(self, method: str, params: Json) -> None:
        tagged = params | {"_meta": self.tag}
        self._outlet.put({"jsonrpc": "2.0", "method": method, "params": tagged})

    def close(self) -> None:
        self.ended.set()


def caller_of(message: Json, transport: str, headers: Mapping[str, str]) -> Caller:
    """Who asks, from the request's own metadata; raises if required fields are missing."""
    params = message.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(meta, dict):
        raise RpcError(INVALID_PARAMS, "Invalid params: _meta is missing")
    version, declared = meta.get(META + "protocolVersion"), meta.get(META + "clientCapabilities")
    if not isinstance(version, str):
        raise RpcError(INVALID_PARAMS, "Invalid params: protocolVersion is missing in _meta")
    if not isinstance(declared, dict):
        raise RpcError(INVALID_PARAMS, "Invalid params: clientCapabilities is missing in _meta")
    level = meta.get(META + "logLevel")
    if level is not None and level not in LEVELS:
        raise RpcError(INVALID_PARAMS, "Invalid params: unknown logLevel")
    return Caller(
        era="modern",
        transport=transport,
        version=version,
        capabilities=declared,
        client=meta.get(META + "clientInfo"),
        log_level=level,
        session=None,
        headers=headers,
        meta=meta,
    )


def unsupported(requested: object) -> RpcError:
    versions = {"supported": [MODERN_VERSION], "requested": str(requested)}
    return RpcError(UNSUPPORTED_VERSION, "Unsupported protocol version", versions)


class Modern:
    """Answers requests of the stateless era, whatever brought them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._states = RequestState()
        self._tasks = Tasks(world)
        self._task_methods = {
            "tasks/get": self._tasks.get,
            "tasks/update": self._tasks.update,
            "tasks/cancel": self._tasks.cancel,
        }

    async def serve(self, message: Json, caller: Caller, outlet: Outlet) -> None:
        """Answer one request; the last message put into the outlet is the response."""
        response: Json = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            response["result"] = await self._answer(message, caller, outlet)
        except InputRequiredError as required:
            response["result"] = required.result
        except RpcError as error:
            response["error"] = error.body()
        except Exception as error:  # noqa: BLE001 - a client must get an answer, whatever broke
            response["error"] = RpcError(INTERNAL_ERROR, repr(error)).body()
        outlet.put(response)

    async def _answer(self, message: Json, caller: Caller, outlet: Outlet) -> Json:
        method, params = message["method"], message["params"]
        if caller.version != MODERN_VERSION:
            raise unsupported(caller.version)
        if method == "subscriptions/listen":
            return await self._listen(message["id"], params, caller, outlet)
        exchange = ModernExchange(self.world, caller, outlet, self._states, message)
        result = await self._result(method, exchange, params)
        meta = {META + "serverInfo": SERVER_INFO} | result.get("_meta", {})
        head = {"resultType": "complete"} | CACHING.get(method, {})
        return head | result | {"_meta": meta}

    async def _result(self, method: str, exchange: Exchange, params: Json) -> Json:
        if method == "tools/call":
            return await self._call(exchange, params)
        if method in FEATURES:
            return await FEATURES[method](exchange, params)
        if method in self._task_methods:
            if not exchange.caller.declares_extension(TASKS):
                raise MissingCapabilityError({"extensions": {TASKS: {}}})
            return await self._task_methods[method](params)
        return self._stateless(method, exchange, params)

    def _stateless(self, method: str, exchange: Exchange, params: Json) -> Json:
        if method == "server/discover":
            instructions = "A fixture for tests."
            return {
                "supportedVersions": [MODERN_VERSION],
                "capabilities": CAPABILITIES,
                "instructions": instructions,
            }
        if method == "skills/list":
            return page(exchange, params, "skills", [SKILL])
        if method == "skills/get":
            return get_skill(params)
        if method == "resources/directory/read":
            return read_directory(params)
        raise RpcError(METHOD_NOT_FOUND, f"Method not found: {method}")

    async def _call(self, exchange: Exchange, params: Json) -> Json:
        tool = find_tool(exchange, params)
        may_be_task = exchange.caller.declares_extension(TASKS)
        if tool.as_task == "required" and not may_be_task:
            raise MissingCapabilityError({"extensions": {TASKS: {}}})
        if tool.as_task == "never" or not may_be_task:
            return await call_tool(exchange, params)
        arguments = arguments_of(tool, params)
        if tool.prepare is not None:
            arguments = await tool.prepare(exchange, arguments)
        return self._tasks.create(tool, arguments, exchange.caller)

    async def _listen(self, id_: object, params: Json, caller: Caller, outlet: Outlet) -> Json:
        asked = params.get("notifications")
        if not isinstance(asked, dict):
            raise RpcError(INVALID_PARAMS, "`notifications` must be an object")
        granted = {name: True for name in LIST_CHANGES.values() if asked.get(name) is True}
        lists = ["resourceSubscriptions"]
        if caller.declares_extension(TASKS):
            lists.append("taskIds")
        honoured = granted | {name: asked[name] for name in lists if name in asked}
        subscription = Subscription(id_, honoured, outlet)
        # The acknowledgement must come first; nothing awaits between it and the registration.
        subscription.send("notifications/subscriptions/acknowledged", {"notifications": honoured})
        self.world.listen(subscription)
        try:
            await subscription.ended.wait()
        finally:
            self.world.forget(subscription)
        return {"resultType": "complete", "_meta": subscription.tag}
