"""The agent at the other end over HTTP: during one POST, and outside any call."""

from __future__ import annotations

import asyncio

from callgate.asgi import Send
from callgate.downstream.inbound import Answer
from callgate.downstream.responding import Outlet, respond
from callgate.downstream.sessions import Session
from callgate.downstream.streams import Stream
from callgate.model import Json, Reply
from callgate.ports import Unanswerable
from callgate.protocol.jsonrpc import notification

PRIMED_SINCE = "2025-11-25"  # clients of before take an event without data for a broken message


def is_primed(session: Session) -> bool:
    """Whether this client expects streams to begin with an event that only has an id."""
    return session.version >= PRIMED_SINCE


class HttpCaller:
    """The agent at the other end of one POST. Answers with JSON, or with a stream once it must.

    In a session the stream outlives its connection: the agent may come back for the rest.
    """

    def __init__(self, send: Send, session: Session | None, *, may_stream: bool) -> None:
        self._send = send
        self._session = session
        self._may_stream = may_stream
        self._stream: Stream | None = None
        self._outlet: Outlet | None = None
        self._call = asyncio.current_task()
        self.has_hung_up = False

    @property
    def is_gone(self) -> bool:
        """Whether nobody reads now; in a session the agent may come back for a stream."""
        if self._stream is not None:
            return self._stream.reading is None
        return self.has_hung_up

    @property
    def has_begun(self) -> bool:
        """Whether the response is a stream already."""
        return self._stream is not None

    async def notify(self, method: str, params: dict[str, Json]) -> None:
        """Says it on the stream; dropped where the agent takes none."""
        stream = self._streaming()
        if stream is not None:
            await stream.say(notification(method, params))

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        """Asks on this POST's stream, or on the session's own where this agent takes none here."""
        session = self._session
        if session is None:
            raise Unanswerable("A client of this revision of MCP takes no requests.")
        stream = self._streaming()
        if stream is not None:
            return await session.asks.ask(stream, method, params)
        if self._may_stream:
            raise Unanswerable("The client hung up.")
        return await session.beyond.ask(method, params)

    def begin(self) -> None:
        """Answers with a stream from now on, where the agent takes one."""
        self._streaming()

    def pause(self, seconds: float) -> None:
        """Ends the connection and not the stream: the agent comes back for the rest."""
        session = self._session
        if session is not None and is_primed(session) and self._outlet is not None:
            self._outlet.rest(seconds)

    def _streaming(self) -> Stream | None:
        """The stream of this POST, begun if need be."""
        if self._stream is None and self._may_stream and not self.has_hung_up:
            session = self._session
            stream = Stream(keeps=False) if session is None else session.streams.open()
            self._stream = stream
            self._outlet = Outlet(
                self._send,
                stream.attach(after=0),
                has_ids=session is not None,
                is_primed=session is not None and is_primed(session),
                on_slow=self.hang_up,
            )
        return self._stream

    def hang_up(self) -> None:
        """The connection is no more. Modern: that cancels the call. Legacy: it does not
        (2025-11-25, "Sending Messages").
        """
        self.has_hung_up = True
        if self._outlet is not None:
            self._outlet.close()
        if self._session is None and self._call is not None:
            self._call.cancel()

    async def finish(self, answer: Answer) -> None:
        """Sends the answer, on the stream where one was begun."""
        self._call = None  # it is over: whoever hangs up now cancels nothing
        stream, outlet = self._stream, self._outlet
        if stream is None or outlet is None:
            await respond(self._send, answer)
            return
        if answer.body is not None:
            stream.put(answer.body)
        stream.end()
        if self._session is not None:
            self._session.streams.ended(stream)
        try:
            await outlet.done()
        finally:
            outlet.close()
            self._outlet = None  # it knows us: the two would wait for the garbage collector

    def abandon(self) -> None:
        """Nothing is answered any more: the gateway stops, or the agent hung up."""
        if self._stream is not None:
            self._stream.end()
            if self._session is not None:
                self._session.streams.forget(self._stream)
        if self._outlet is not None:
            self._outlet.close()
            self._outlet = None
