"""A gRPC server on this machine that decides as a test wants, byte for byte where it must."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from callgate.interceptors.grpc_messages import (
    CHECK,
    CHECK_REQUEST,
    CHECK_RESPONSE,
    messages,
)

grpc: Any = importlib.import_module("grpc")
aio: Any = importlib.import_module("grpc.aio")
KINDS = {
    CHECK: ("CheckRequest", "CheckResponse"),
    CHECK_REQUEST: ("McpRequest", "McpRequestResult"),
    CHECK_RESPONSE: ("McpResponse", "McpResponseResult"),
}


class Hang:
    """An answer that does not come."""


@dataclass
class GrpcTarget:
    """`answers` maps a path to what answers it: bytes, members of the message, a status code of
    gRPC, `Hang`, or a function of the request that gives one of these.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    metadata: list[dict[str, str]] = field(default_factory=list)
    cancelled: int = 0
    peers: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def serve(
        self, credentials: Any = None, address: str = "127.0.0.1:0"
    ) -> AsyncIterator[str]:
        """Serves it; yields the address."""
        server = aio.server(options=(("grpc.so_reuseport", 0),))
        server.add_generic_rpc_handlers((_Handlers(self),))
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
        await server.start()
        try:
            yield address if address.startswith("unix:") else f"127.0.0.1:{port}"
        finally:
            await server.stop(0)

    async def answer(self, path: str, body: bytes, context: Any) -> bytes:
        asked, answered = KINDS[path]
        request = messages()[asked].FromString(body)
        self.paths.append(path)
        self.asked.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.peers.append(context.auth_context())
        said = self.answers[path]
        if callable(said) and said is not Hang:
            said = said(request)
        if said is Hang:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        if isinstance(said, grpc.StatusCode):
            await context.abort(said, "because")
        if isinstance(said, bytes):
            return said
        kind = messages()[answered]
        return bytes((said if isinstance(said, kind) else kind(**said)).SerializeToString())


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc] # an untyped library
    def __init__(self, target: GrpcTarget) -> None:
        self._target = target

    def service(self, details: Any) -> Any:
        path = details.method
        if path not in self._target.answers:
            return None

        async def answer(body: bytes, context: Any) -> bytes:
            return await self._target.answer(path, body, context)

        return grpc.unary_unary_rpc_method_handler(answer)


Answering = Callable[[Any], Any]
