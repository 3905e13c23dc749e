"""The session era (up to 2025-11-25): a handshake, then requests both ways."""

import asyncio
import secrets
from collections.abc import Mapping

from fakes.conformance_server.exchange import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    INVALID_REQUEST,
    LEGACY_RESOURCE_NOT_FOUND,
    LEGACY_VERSIONS,
    LEVELS,
    METHOD_NOT_FOUND,
    SERVER_INFO,
    Caller,
    Exchange,
    Json,
    MissingCapabilityError,
    Outlet,
    ResourceNotFoundError,
    RpcError,
    World,
    failed,
    is_answer,
    text_of,
)
from fakes.conformance_server.features import FEATURES
from fakes.conformance_server.stream import Stream

ANSWER_SECONDS = 60.0
CAPABILITIES: Json = {
    "tools": {"listChanged": True},
    "prompts": {"listChanged": True},
    "resources": {"listChanged": True, "subscribe": True},
    "completions": {},
    "logging": {},
}


class LegacyExchange(Exchange):
    """A request whose client can be asked while it waits."""

    def __init__(self, session: "Session", caller: Caller, outlet: Outlet) -> None:
        super().__init__(session.world, caller)
        self._session = session
        self._outlet = outlet

    def notify(self, method: str, params: Json) -> None:
        self._outlet.put({"jsonrpc": "2.0", "method": method, "params": params})

    async def ask(self, asks: Mapping[str, Json], *, stateful: bool = True) -> dict[str, Json]:
        for ask in asks.values():
            self.require(ask)
        async with asyncio.TaskGroup() as group:
            asked = {
                key: group.create_task(self._session.request(ask, self._outlet))
                for key, ask in asks.items()
            }
        answers = {key: task.result() for key, task in asked.items()}
        for key, answer in answers.items():
            if "error" in answer:
                said = answer["error"].get("message")
                raise RpcError(INTERNAL_ERROR, f"The client refused: {said}", answer["error"])
            if not is_answer(asks[key], answer.get("result")):
                raise RpcError(INTERNAL_ERROR, "The client's answer does not fit the question")
        return {key: answer["result"] for key, answer in answers.items()}

    def hang_up(self) -> bool:
        if not isinstance(self._outlet, Stream) or not self._session.is_resumable:
            return False
        self._outlet.hang_up()
        return True


class Session:
    """One client between its `initialize` and its leaving."""

    def __init__(self, world: World, params: Json, transport: str, standalone: Outlet) -> None:
        asked = params.get("protocolVersion")
        if not isinstance(asked, str) or not isinstance(params.get("capabilities"), dict):
            raise RpcError(INVALID_PARAMS, "`protocolVersion` and `capabilities` are required")
        self.world = world
        self.id = secrets.token_urlsafe(24) if transport == "http" else None
        self.version = asked if asked in LEGACY_VERSIONS else LEGACY_VERSIONS[-1]
        self.calls: dict[object, asyncio.Task[None]] = {}
        self._transport = transport
        self._capabilities: Json = params["capabilities"]
        self._client = params.get("clientInfo")
        self._level = "info"
        self._subscribed: set[str] = set()
        self._standalone = standalone
        self._asked: dict[str, asyncio.Future[Json]] = {}
        world.listen(self)

    @property
    def is_resumable(self) -> bool:
        """Whether the revision lets a server close a stream that goes on (SSE polling)."""
        return self.version >= "2025-11-25"

    def greeting(self) -> Json:
        return {
            "protocolVersion": self.version,
            "capabilities": CAPABILITIES,
            "serverInfo": SERVER_INFO,
            "instructions": "A fixture for tests.",
        }

    def offer(self, method: str, params: Json) -> None:
        is_for_us = method != "notifications/tasks"
        if method == "notifications/resources/updated":
            is_for_us = params["uri"] in self._subscribed
        if is_for_us:
            self._standalone.put({"jsonrpc": "2.0", "method": method, "params": params})

    def close(self) -> None:
        """End the connection that carries what belongs to no request; the session goes on."""
        if isinstance(self._standalone, Stream):
            self._standalone.hang_up()

    def end(self) -> None:
        self.world.forget(self)
        for call in tuple(self.calls.values()):
            call.cancel()

    async def request(self, ask: Json, outlet: Outlet) -> Json:
        """Ask the client; its response, whether result or error."""
        id_ = f"fixture-{secrets.token_hex(6)}"
        future: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._asked[id_] = future
        params = dict(ask["params"])
        if params.get("mode") == "url":
            params["elicitationId"] = secrets.token_hex(8)
        outlet.put({"jsonrpc": "2.0", "id": id_, "method": ask["method"], "params": params})
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await future
        except TimeoutError:
            return {"error": {"code": INTERNAL_ERROR, "message": "no answer in time"}}
        finally:
            del self._asked[id_]

    def receive(self, message: Json) -> None:
        """Take a notification, or a response to what we asked."""
        if "method" not in message:
            future = self._asked.get(str(message.get("id")))
            if future is not None and not future.done():
                future.set_result(message)
        elif message["method"] == "notifications/cancelled":
            call = self.calls.get((message.get("params") or {}).get("requestId"))
            if call is not None:
                call.cancel()

    async def serve(self, message: Json, outlet: Outlet, headers: Mapping[str, str]) -> None:
        """Answer one request; a cancelled one gets no response."""
        response: Json = {"jsonrpc": "2.0", "id": message["id"]}
        try:
            response["result"] = await self._answer(message, outlet, headers)
        except ResourceNotFoundError as error:
            response["error"] = error.body() | {"code": LEGACY_RESOURCE_NOT_FOUND}
        except MissingCapabilityError as error:
            if message["method"] == "tools/call":
                response["result"] = failed(error.message)
            else:
                response["error"] = RpcError(INVALID_REQUEST, error.message).body()
        except RpcError as error:
            response["error"] = error.body()
        except Exception as error:  # noqa: BLE001 - a client must get an answer, whatever broke
            response["error"] = RpcError(INTERNAL_ERROR, repr(error)).body()
        outlet.put(response)

    async def _answer(self, message: Json, outlet: Outlet, headers: Mapping[str, str]) -> Json:
        params = message.get("params", {})
        if not isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "`params` must be an object")
        if message["method"] in FEATURES:
            exchange = LegacyExchange(self, self._caller(params, headers), outlet)
            return await FEATURES[message["method"]](exchange, params)
        return self._own(message["method"], params)

    def _own(self, method: str, params: Json) -> Json:
        if method == "logging/setLevel":
            if params.get("level") not in LEVELS:
                raise RpcError(INVALID_PARAMS, "Unknown level")
            self._level = params["level"]
        elif method == "resources/subscribe":
            self._subscribed.add(text_of(params, "uri"))
        elif method == "resources/unsubscribe":
            self._subscribed.discard(text_of(params, "uri"))
        elif method != "ping":
            raise RpcError(METHOD_NOT_FOUND, f"Method not found: {method}")
        return {}

    def _caller(self, params: Json, headers: Mapping[str, str]) -> Caller:
        meta = params.get("_meta")
        return Caller(
            era="legacy",
            transport=self._transport,
            version=self.version,
            capabilities=self._capabilities,
            client=self._client,
            log_level=self._level,
            session=self.id,
            headers=headers,
            meta=meta if isinstance(meta, dict) else {},
        )
