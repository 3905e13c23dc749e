"""A target in memory: functions and ready answers as its tools, and what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callgate.model import NOTHING, Json, Offer, Reply
from callgate.ports import Caller, Clock, Listing, TargetRequest
from callgate.protocol.jsonrpc import encode
from callgate.testing.building import a_text
from callgate.upstream.functions import PythonConnector, PythonTargetSettings, as_tool

Answer = Callable[..., Any] | str | Mapping[str, Json]
"""A function, with its arguments as parameters; or what the tool answers whatever it is asked."""

_decode = msgspec.json.Decoder().decode


class InMemoryTarget(PythonConnector):
    """Implements Connector. `asked` is what reached it: call, tool, arguments, headers."""

    def __init__(self, name: str, tools: Mapping[str, Answer], clock: Clock) -> None:
        super().__init__(name, PythonTargetSettings(python="in_memory"), clock)
        self._functions = {
            own: as_tool(own, answer) for own, answer in tools.items() if callable(answer)
        }
        self._ready = {own: answer for own, answer in tools.items() if not callable(answer)}
        self.asked: list[TargetRequest] = []

    async def list_tools(self, offer: Offer = NOTHING) -> Listing:
        """The functions with the schemas of their parameters; the others take anything."""
        listed = await super().list_tools(offer)
        ready = ({"name": own, "inputSchema": {"type": "object"}} for own in self._ready)
        return Listing(tools=(*listed.tools, *ready))

    async def call(self, request: TargetRequest, caller: Caller) -> Reply:
        """Answers at once."""
        self.asked.append(request)
        if request.tool.name in self._ready:
            return Reply(body=encode(_result(self._ready[request.tool.name])))
        return await super().call(request, caller)

    def arguments_of(self, call_id: str) -> dict[str, Json] | None:
        """What a call brought; None where it did not come here."""
        for request in self.asked:
            if request.call_id == call_id:
                arguments: dict[str, Json] = _decode(request.arguments)
                return arguments
        return None


def _result(answer: str | Mapping[str, Json] | Any) -> dict[str, Json]:
    """A text, a whole result with its `content`, or what is to be its structured content."""
    if isinstance(answer, str):
        return a_text(answer)
    if "content" in answer:
        return {**answer}
    return a_text(encode(answer).decode(), structuredContent={**answer})
