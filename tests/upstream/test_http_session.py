"""A session says what it is in use for, waits until it is quiet, and is small when idle."""

from __future__ import annotations

import asyncio
import tracemalloc

from callgate.model import NOTHING, Era, Features
from callgate.upstream.http_legacy import MAX_SESSIONS
from callgate.upstream.http_session import Session, key_of
from callgate.upstream.http_wire import Attempt
from fakes.http_calls import an_offer

FEATURES = Features(era=Era.LEGACY, version="2025-11-25")


def a_session(key: str = "ada") -> Session:
    return Session(key, NOTHING, "s-1", FEATURES)


def test_requests_carry_the_session_and_its_revision() -> None:
    assert a_session().headers == [
        ("MCP-Protocol-Version", "2025-11-25"),
        ("Mcp-Session-Id", "s-1"),
    ]
    stateless = Session("ada", NOTHING, None, FEATURES)
    assert stateless.headers == [("MCP-Protocol-Version", "2025-11-25")]


def test_no_key_and_offer_meet_another() -> None:
    keys = {key_of(key, offer) for key in ("", "a") for offer in (NOTHING, an_offer("roots"))}
    assert len(keys) == 4


def test_calls_subscriptions_and_a_stream_keep_it_from_being_ended() -> None:
    async def scenario() -> None:
        session = a_session()
        assert session.calls == 0
        attempt = Attempt(1)
        session.enter(attempt)
        session.subscriptions |= {"x"}

        async def listen() -> None:
            await asyncio.Event().wait()

        listening = session.listening = asyncio.ensure_future(listen())
        assert session.calls == 3
        session.stop()
        session.leave(attempt)
        assert session.calls == 1
        await asyncio.wait([listening])
        assert listening.cancelled()

    asyncio.run(scenario())


def test_it_is_quiet_once_the_last_request_has_left() -> None:
    async def scenario() -> None:
        session, first, second = a_session(), Attempt(1), Attempt(2)
        await session.quiet()
        session.enter(first)
        session.enter(second)
        waiting = [asyncio.ensure_future(session.quiet()) for _ in range(2)]
        await asyncio.sleep(0)
        session.leave(first)
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)
        session.leave(second)
        await asyncio.gather(*waiting)

    asyncio.run(scenario())


def test_ten_thousand_idle_sessions_take_little() -> None:
    assert MAX_SESSIONS >= 10_000
    tracemalloc.start()
    kept = [a_session(f"client-{number:08}") for number in range(1000)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size / len(kept) < 1024
