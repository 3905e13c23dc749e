"""The target behind every gateway: a fast MCP server of one era or both that echoes its input."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from granian import Granian
from granian.constants import Interfaces
from stub_content import (
    ERAS_VARIABLE,
    ITEMS_VARIABLE,
    JSON,
    MODERN,
    REPORTS,
    STREAM,
    TOOLS_VARIABLE,
    Answer,
    Arguments,
    Setup,
    asks,
    call_result,
    encode,
    error,
    event,
    failed,
    fixed,
    other_era,
    progress,
    resource_list,
    whole,
)

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol, Scope

ANSWER_SECONDS = 60.0


class Params(msgspec.Struct):
    name: str = ""
    arguments: Arguments | None = None


class Meta(msgspec.Struct, rename={"capabilities": "io.modelcontextprotocol/clientCapabilities"}):
    progressToken: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815 - as it is on the wire
    capabilities: dict[str, Any] = {}


class Content(msgspec.Struct):
    sure: bool = False


class Said(msgspec.Struct):
    """What a user answered to `elicitation/create`."""

    action: str = ""
    content: Content | None = None

    @property
    def is_yes(self) -> bool:
        return self.action == "accept" and self.content is not None and self.content.sure


class LongParams(msgspec.Struct, rename={"meta": "_meta"}):
    """Of the two tools that do more than answer; for the others this would be too much to read."""

    arguments: Arguments
    meta: Meta = msgspec.field(default_factory=Meta)
    inputResponses: dict[str, Said] = {}  # noqa: N815 - as it is on the wire
    requestState: str = ""  # noqa: N815


class Request(msgspec.Struct):
    method: str = ""  # empty: the answer to something that was asked
    id: msgspec.Raw = msgspec.Raw(b"")  # empty: a notification
    params: msgspec.Raw = msgspec.Raw(b"{}")
    result: msgspec.Raw = msgspec.Raw(b"{}")


class Opened(msgspec.Struct):
    """What `initialize` says of the client."""

    capabilities: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class LongCall:
    """A call that is answered with a stream: what to send before its result."""

    request: Request
    params: LongParams
    session: str  # empty: the modern era
    is_question: bool = False


decode_request = msgspec.json.Decoder(Request).decode
decode_params = msgspec.json.Decoder(Params).decode
decode_long = msgspec.json.Decoder(LongParams).decode
decode_opened = msgspec.json.Decoder(Opened).decode
decode_said = msgspec.json.Decoder(Said).decode


class Stub:
    """The sessions of the legacy era and the number of tool calls seen; one worker, no locks."""

    def __init__(self) -> None:
        self.setup = Setup.of_environment()
        self.fixed = fixed(self.setup)
        self.sessions: dict[str, bool] = {}  # whether the client can be asked
        self.calls = 0  # that were answered with a result
        self.asked: dict[tuple[str, str], asyncio.Future[Said]] = {}
        self.numbers = itertools.count(1)

    def answer(self, body: bytes, headers: Any, path: str) -> Answer | LongCall:
        request = decode_request(body)
        version = headers.get("mcp-protocol-version")
        is_modern = version == MODERN
        if not self.setup.speaks(is_modern):
            return other_era(request.id, is_modern, version)
        reply_headers = [JSON]
        session = headers.get("mcp-session-id") or ""
        if request.method == "initialize":
            session = secrets.token_hex(16)
            opened = decode_opened(request.params)
            self.sessions[session] = "elicitation" in opened.capabilities
            reply_headers = [JSON, ("mcp-session-id", session)]
        elif not is_modern and session not in self.sessions:
            return 404, [JSON], error(request.id, -32600, "unknown session")
        if not request.id:
            return 202, [], b""
        if request.method == "tools/call":
            params = decode_params(request.params)
            if params.name == "report" or params.name == "confirm":
                return self.begin(request, params.name, "" if is_modern else session)
            self.calls += 1
            result = call_result(params.arguments or Arguments("", 0), is_modern)
        elif not request.method:
            return self.take_answer(session, request)
        elif request.method == "resources/list":
            result = resource_list(self.setup.items, is_modern, path)
        else:
            known = self.fixed.get((request.method, is_modern))
            if known is None:
                return (404 if is_modern else 200), [JSON], error(request.id, -32601, "no method")
            result = known
        return 200, reply_headers, whole(request.id, result)

    def begin(self, request: Request, name: str, session: str) -> Answer | LongCall:
        """`report` and `confirm`: with a stream, but for `confirm` in the modern era."""
        params = decode_long(request.params)
        if name == "report":
            return LongCall(request, params, session)
        if session and self.sessions[session]:
            return LongCall(request, params, session, is_question=True)
        if session:
            return 200, [JSON], whole(request.id, failed("This client cannot be asked."))
        if "elicitation" not in params.meta.capabilities:
            wanted: dict[str, Any] = {"requiredCapabilities": {"elicitation": {}}}
            return 400, [JSON], error(request.id, -32021, "elicitation is needed", wanted)
        return 200, [JSON], whole(request.id, self.confirmed(params))

    def confirmed(self, params: LongParams) -> bytes:
        """The modern way: what is still to be asked, or, with the answer, the result."""
        state = f"asked-{params.arguments.customer}-{params.arguments.amount}"
        if not params.inputResponses:
            question = {"method": "elicitation/create", "params": asks(params.arguments)}
            needed = {"inputRequests": {"sure": question}, "requestState": state}
            return encode({"resultType": "input_required", **needed})
        said = params.inputResponses.get("sure")
        return self.concluded(params, said, True, is_same=params.requestState == state)

    def concluded(
        self, params: LongParams, said: Said | None, is_modern: bool, is_same: bool = True
    ) -> bytes:
        if said is None or not said.is_yes or not is_same:
            return failed("The user did not say yes to this.", is_modern)
        self.calls += 1
        return call_result(params.arguments, is_modern)

    def take_answer(self, session: str, request: Request) -> Answer:
        waiting = self.asked.pop((session, bytes(request.id).decode()), None)
        if waiting is not None and not waiting.done():
            waiting.set_result(decode_said(request.result))
        return 202, [], b""

    async def play(self, call: LongCall, protocol: HTTPProtocol) -> None:
        """Every event is sent by itself, as a server does that works on something."""
        stream = protocol.response_stream(200, STREAM)
        if call.is_question:
            result = await self.ask(call, stream)
        else:
            token = bytes(call.params.meta.progressToken)
            for number in range(1, REPORTS + 1) if token else ():
                await stream.send_bytes(progress(token, number))
            self.calls += 1
            result = call_result(call.params.arguments, not call.session)
        await stream.send_bytes(event(whole(call.request.id, result)))

    async def ask(self, call: LongCall, stream: Any) -> bytes:
        """The legacy way: a request on the stream of the call, answered in a POST of its own."""
        name = f'"ask-{next(self.numbers)}"'
        key = (call.session, name)
        waiting = self.asked[key] = asyncio.get_running_loop().create_future()
        params = encode(asks(call.params.arguments))
        head = b'{"jsonrpc":"2.0","id":' + name.encode() + b',"method":"elicitation/create"'
        try:
            await stream.send_bytes(event(head + b',"params":' + params + b"}"))
            said = await asyncio.wait_for(waiting, ANSWER_SECONDS)
        except TimeoutError:
            said = None
        finally:
            self.asked.pop(key, None)
        return self.concluded(call.params, said, False)

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        if scope.method == "POST":
            body = await protocol()
            try:
                answer = self.answer(body, scope.headers, scope.path)
            except msgspec.MsgspecError as problem:
                protocol.response_bytes(400, [JSON], error(b"", -32700, str(problem)))
                return
            if isinstance(answer, LongCall):
                await self.play(answer, protocol)
            else:
                protocol.response_bytes(*answer)
        elif scope.method == "GET" and scope.path == "/calls":
            protocol.response_str(200, [JSON], str(self.calls))
        elif scope.method == "GET" and scope.path == "/sessions":
            protocol.response_str(200, [JSON], str(len(self.sessions)))
        elif scope.method == "DELETE":
            self.sessions.pop(scope.headers.get("mcp-session-id") or "", None)
            protocol.response_empty(200, [])
        else:
            protocol.response_empty(405, [("allow", "POST, DELETE")])


app = Stub()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tools", type=int, default=2)
    parser.add_argument("--items", type=int, default=0, help="resources, and prompts")
    parser.add_argument("--eras", choices=["both", "modern", "legacy"], default="both")
    options = parser.parse_args()
    os.environ[TOOLS_VARIABLE] = str(options.tools)
    os.environ[ITEMS_VARIABLE] = str(options.items)
    os.environ[ERAS_VARIABLE] = options.eras
    Granian(
        "stub:app",
        address="127.0.0.1",
        port=options.port,
        interface=Interfaces.RSGI,
        websockets=False,
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
