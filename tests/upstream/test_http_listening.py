"""What a legacy target says outside any call is heard where somebody wants to, and not lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.model import NOTHING
from callgate.upstream import http_legacy, http_listening
from fakes.http_calls import HeldCaller, a_method, a_request, an_offer, connected, until
from fakes.http_target import DONE, Legacy, Seen, Talk
from fakes.target import FakeCaller

CHANGING: dict[str, Any] = {"tools": {"listChanged": True}, "prompts": {"listChanged": True}}
UPDATED = "notifications/resources/updated"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listening, "FIRST_PAUSE_SECONDS", 0.01)


def test_a_clients_session_is_listened_to_if_there_is_somebody_to_tell() -> None:
    async def scenario() -> None:
        target = Legacy(**CHANGING)
        async with connected(target) as (http, connector):
            await connector.call(a_request(session_key="bob"), FakeCaller())
            assert http.rpcs().count("GET") == 0
            caller, beyond = FakeCaller(), FakeCaller()
            await connector.call(a_request(beyond=beyond), caller)
            assert list(target.streams) == ["s-2"]
            changed: list[str] = []
            connector.on_change(changed.append)
            for what in ("tools", "prompts"):
                await target.say("s-2", method=f"notifications/{what}/list_changed")
            note: dict[str, Any] = {"level": "info", "data": 1}
            await target.say("s-2", method="notifications/message", params=note)
            await target.say("s-2", method=UPDATED, params={"uri": "x"})
            await target.say("s-2", method="notifications/unknown")
            await target.say("s-2", id=99, result={})
            await until(lambda: len(beyond.told) == 4)
            assert beyond.told == [
                ("notifications/tools/list_changed", {}),
                ("notifications/prompts/list_changed", {}),
                ("notifications/message", note),
                (UPDATED, {"uri": "x"}),
            ]
            assert changed == ["tools", "prompts"]
            assert caller.told == []
        assert target.streams == {}

    asyncio.run(scenario())


def test_progress_on_the_stream_of_the_session_reaches_its_call() -> None:
    async def scenario() -> None:
        caller = FakeCaller()

        async def progress(seen: Seen, talk: Talk) -> None:
            token = seen.message["params"]["_meta"]["progressToken"]
            for said in (token, 999, [1], None):
                params = {"progressToken": said, "progress": 1}
                await target.say("s-1", method="notifications/progress", params=params)
            await until(lambda: bool(caller.told))
            await talk.result(seen, DONE)

        target = Legacy(progress)
        async with connected(target) as (_, connector):
            request = a_request(beyond=FakeCaller(), wants_progress=True, progress_token="mine")
            await connector.call(request, caller)
            assert caller.told == [
                ("notifications/progress", {"progressToken": "mine", "progress": 1})
            ]

    asyncio.run(scenario())


def test_the_gateways_own_session_is_listened_to_while_anybody_wants_to_know_of_changes() -> None:
    async def scenario() -> None:
        target = Legacy(**CHANGING)
        async with connected(target) as (http, connector):
            changed: list[str] = []
            forget = connector.on_change(changed.append)
            assert http.seen == []  # the first request connects
            await connector.list_tools()
            await until(lambda: list(target.streams) == ["s-1"])
            await target.say("s-1", method="notifications/tools/list_changed")
            await until(lambda: changed == ["tools"])
            forget()
            await until(lambda: not target.streams)
            connector.on_change(changed.append)
            await until(lambda: list(target.streams) == ["s-1"])

    asyncio.run(scenario())


def test_one_of_the_gateways_own_sessions_is_enough_to_hear_of_changes() -> None:
    async def scenario() -> None:
        target = Legacy(**CHANGING)
        async with connected(target) as (_, connector):
            forget = connector.on_change(lambda _: None)
            for offer in (an_offer("roots"), NOTHING, an_offer("sampling")):
                await connector.list_tools(offer)
            await until(lambda: list(target.streams) == ["s-1"])
            target.forget()
            await connector.list_tools(an_offer("roots"))
            await until(lambda: list(target.streams) == ["s-4"])
            forget()
            await until(lambda: not target.streams)
            connector.on_change(lambda _: None)
            await until(lambda: len(target.streams) == 1)

    asyncio.run(scenario())


def test_a_target_that_declares_no_changes_is_not_listened_to_for_them() -> None:
    async def scenario() -> None:
        async with connected(Legacy()) as (http, connector):
            connector.on_change(lambda _: None)
            await connector.list_tools()
            await connector.call(a_request(session_key=""), FakeCaller())
            assert "GET" not in http.rpcs()

    asyncio.run(scenario())


def test_a_target_without_streams_is_asked_for_one_once() -> None:
    async def scenario() -> None:
        target = Legacy(**CHANGING)
        target.has_streams = False
        async with connected(target) as (http, connector):
            for key in ("ada", "ada", "bob"):
                request = a_request(session_key=key, beyond=FakeCaller())
                await connector.call(request, FakeCaller())
            assert http.rpcs().count("GET") == 1

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [401, 403, 406])
def test_a_session_that_is_turned_away_is_not_listened_to_again(status: int) -> None:
    async def scenario() -> None:
        target = Legacy()

        async def answer(seen: Seen, talk: Talk) -> None:
            if seen.method == "GET":
                await talk.respond(status)
            else:
                await target(seen, talk)

        async with connected(answer) as (http, connector):
            for key in ("ada", "ada", "bob"):
                request = a_request(session_key=key, beyond=FakeCaller())
                await connector.call(request, FakeCaller())
            assert http.rpcs().count("GET") == 2

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [409, 503])
def test_a_stream_that_cannot_be_had_now_is_asked_for_again(status: int) -> None:
    async def scenario() -> None:
        target, refusals = Legacy(), 2

        async def answer(seen: Seen, talk: Talk) -> None:
            nonlocal refusals
            if seen.method == "GET" and refusals:
                refusals -= 1
                await talk.respond(status)
            else:
                await target(seen, talk)

        async with connected(answer) as (http, connector):
            await connector.call(a_request(beyond=FakeCaller()), FakeCaller())
            await until(lambda: list(target.streams) == ["s-1"])
            assert http.rpcs().count("GET") == 3

    asyncio.run(scenario())


def test_a_cut_stream_is_taken_up_where_it_ended() -> None:
    async def scenario() -> None:
        target, beyond = Legacy(resources={"subscribe": True}), FakeCaller()
        async with connected(target) as (_, connector):
            subscribe = a_method("resources/subscribe", {"uri": "x"}, beyond=beyond)
            await connector.call(subscribe, FakeCaller())
            await target.streams["s-1"].chunk(b"id: e-7\ndata:\n\n")
            await target.cut("s-1")
            await until(lambda: "s-1" in target.streams)
            assert target.resumed == [None, "e-7"]
            await target.cut("s-1")
            await until(lambda: "s-1" in target.streams)
            assert target.resumed == [None, "e-7", "e-7"]
            await target.say("s-1", method=UPDATED, params={"uri": "y"})
            await until(lambda: bool(beyond.told))
            assert beyond.told == [(UPDATED, {"uri": "y"})]

    asyncio.run(scenario())


def test_after_a_gap_everybody_is_told_to_look_for_himself() -> None:
    async def scenario() -> None:
        target = Legacy(**CHANGING, resources={"subscribe": True})
        async with connected(target) as (_, connector):
            changed: list[str] = []
            connector.on_change(changed.append)
            beyond = FakeCaller()
            subscribe = a_method("resources/subscribe", {"uri": "x"}, beyond=beyond)
            await connector.call(subscribe, FakeCaller())
            await target.cut("s-1")
            await until(lambda: bool(beyond.told))
            assert beyond.told == [(UPDATED, {"uri": "x"})]
            assert changed == ["tools", "prompts"]

    asyncio.run(scenario())


def test_garbage_on_a_stream_ends_it_and_it_is_opened_again() -> None:
    async def scenario() -> None:
        target, beyond = Legacy(), FakeCaller()
        async with connected(target) as (_, connector):
            await connector.call(a_request(beyond=beyond), FakeCaller())
            first = target.streams["s-1"]
            await first.chunk(b"data: nonsense\n\n")
            await until(lambda: target.streams.get("s-1") not in (None, first))
            await target.say("s-1", method=UPDATED, params={"uri": "x"})
            await until(lambda: bool(beyond.told))

    asyncio.run(scenario())


def test_a_session_found_lost_by_its_stream_is_restored_with_nobody_calling() -> None:
    async def scenario() -> None:
        target, beyond = Legacy(resources={"subscribe": True}), FakeCaller()
        async with connected(target) as (http, connector):
            subscribe = a_method("resources/subscribe", {"uri": "x"}, beyond=beyond)
            await connector.call(subscribe, FakeCaller())
            stream = target.streams["s-1"]
            target.forget()
            await stream.hang_up()
            await until(lambda: target.subscriptions.get("s-2") == {"x"})
            await until(lambda: "s-2" in target.streams)
            await until(lambda: beyond.told == [(UPDATED, {"uri": "x"})])  # it may have changed
            await target.say("s-2", method=UPDATED, params={"uri": "x"})
            await until(lambda: len(beyond.told) == 2)
            await connector.call(a_request(), FakeCaller())
            assert http.rpcs().count("initialize") == 2
            await connector.release("ada")
            await until(lambda: not target.streams)

    asyncio.run(scenario())


def test_release_ends_the_stream_and_nothing_is_opened_afterwards() -> None:
    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (http, connector):
            await connector.call(a_request(beyond=FakeCaller()), FakeCaller())
            await connector.release("ada")
            await until(lambda: not target.streams)
            assert target.known == set()
            assert http.seen[-1].method == "DELETE"

    asyncio.run(scenario())


def test_a_slow_reader_of_a_session_holds_up_its_own_stream_only() -> None:
    async def scenario() -> None:
        target = Legacy()
        slow, quick = HeldCaller(), FakeCaller()
        slow.may_read.clear()
        async with connected(target) as (_, connector):
            await connector.call(a_request(beyond=slow), FakeCaller())
            await connector.call(a_request(session_key="bob", beyond=quick), FakeCaller())
            for uri in ("a", "b"):
                for session in ("s-1", "s-2"):
                    await target.say(session, method=UPDATED, params={"uri": uri})
            await until(lambda: len(quick.told) == 2)
            assert slow.told == []
            slow.may_read.set()
            await until(lambda: len(slow.told) == 2)

    asyncio.run(scenario())


def test_a_call_does_not_wait_for_long_for_a_stream_that_does_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_legacy, "STREAM_SECONDS", 0.05)

    async def scenario() -> None:
        target = Legacy()

        async def answer(seen: Seen, talk: Talk) -> None:
            if seen.method == "GET":
                await talk.until_peer_hangs_up()
            else:
                await target(seen, talk)

        async with connected(answer) as (http, connector):
            for _ in range(2):
                await connector.call(a_request(beyond=FakeCaller()), FakeCaller())
            assert http.rpcs().count("GET") == 1

    asyncio.run(scenario())
