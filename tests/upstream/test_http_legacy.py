"""Sessions are one client's own, told what it wants, made again when lost, and ended with it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvloop

from callgate.model import NOTHING, Features, Ran, Reply
from callgate.ports import TargetError
from callgate.upstream import http_legacy
from fakes.http_calls import (
    Run,
    a_connector,
    a_method,
    a_request,
    an_offer,
    call,
    connected,
    faults,
    until,
)
from fakes.http_target import DONE, HttpTarget, Legacy, Seen, Talk, done, legacy
from fakes.target import FakeCaller


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


def test_two_clients_never_share_a_session_and_each_declares_its_own_offer(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (http, connector):
            asks, says = an_offer("elicitation"), an_offer("sampling", "roots")
            clients = [("ada", asks), ("bob", asks), ("eve", says), ("ada", asks), ("", NOTHING)]
            await asyncio.gather(
                *(
                    connector.call(a_request(session_key=key, offer=offer), FakeCaller())
                    for key, offer in clients
                )
            )
            calls = [s.headers["mcp-session-id"] for s in http.seen if s.rpc == "tools/call"]
            assert len(calls) == 5
            assert len(set(calls)) == len(target.declared) == 4
            declared = sorted(json.dumps(said) for said in target.declared.values())
            wanted = [asks.capabilities, asks.capabilities, says.capabilities, {}]
            assert declared == sorted(json.dumps(said) for said in wanted)
        assert target.known == set()

    run(scenario())


def test_another_offer_of_the_same_client_is_another_session(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (_, connector):
            for offer in (an_offer("roots"), NOTHING):
                await connector.call(a_request(offer=offer), FakeCaller())
                await connector.list_tools(offer)
            assert len(target.declared) == 4
            await connector.release("ada")
            assert len(target.known) == 2  # what is only listed is the gateway's own

    run(scenario())


def test_features_are_those_of_the_handshake_with_this_offer(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy(resources={"subscribe": True})
        async with connected(target) as (http, connector):
            offer = an_offer("roots")
            features = await connector.features(offer)
            assert features.has("resources", "subscribe")
            assert features.version == "2025-11-25"
            assert await connector.features(offer) is features
            assert target.declared == {"s-1": {"roots": {}}}
            assert isinstance(await connector.features(), Features)
            assert http.rpcs().count("initialize") == 2

    run(scenario())


def test_any_method_is_sent_in_the_session_with_its_params_to_the_byte(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy(resources={})
        async with connected(target) as (http, connector):
            request = a_method("resources/read", {"uri": "x"}, params=b'{ "uri" : "x"}')
            assert (await connector.call(request, FakeCaller())).body == b"{}"
            assert b'"params":{ "uri" : "x"}' in http.seen[-1].body
            assert http.seen[-1].rpc == "resources/read"

    run(scenario())


def test_a_session_is_told_the_log_level_once_and_again_when_it_changes(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy(logging={})
        async with connected(target) as (http, connector):
            for level in ("info", "info", None, "debug"):
                await connector.call(a_request(log_level=level), FakeCaller())
            assert http.rpcs().count("logging/setLevel") == 2
            assert target.levels == {"s-1": "debug"}
            request = a_method("logging/setLevel", {"level": "error"}, log_level="error")
            await connector.call(request, FakeCaller())
            await connector.call(a_request(log_level="error"), FakeCaller())
            assert http.rpcs().count("logging/setLevel") == 3

        silent = Legacy()
        async with connected(silent) as (http, connector):
            await connector.call(a_request(log_level="info"), FakeCaller())
            assert "logging/setLevel" not in http.rpcs()

    run(scenario())


def test_a_lost_session_is_restored_with_its_log_level_and_subscriptions(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy(logging={}, resources={"subscribe": True})
        target.has_streams = False
        async with connected(target) as (http, connector):
            for uri in ("a", "b"):
                request = a_method("resources/subscribe", {"uri": uri}, log_level="info")
                await connector.call(request, FakeCaller())
            away = a_method("resources/unsubscribe", {"uri": "a"}, log_level="info")
            await connector.call(away, FakeCaller())
            target.forget()
            reply = await connector.call(a_request(log_level="info"), FakeCaller())
            assert json.loads(reply.body) == DONE
            assert target.known == {"s-2"}
            assert target.levels["s-2"] == "info"
            assert target.subscriptions["s-2"] == {"b"}
            assert http.rpcs()[-5:] == [
                "initialize",
                "notifications/initialized",
                "logging/setLevel",
                "resources/subscribe",
                "tools/call",
            ]

    run(scenario())


def test_a_lost_session_is_restored_once_for_all_who_lost_it_at_the_same_time(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (http, connector):
            await connector.call(a_request(), FakeCaller())
            target.forget()
            await asyncio.gather(*(connector.call(a_request(), FakeCaller()) for _ in range(5)))
            assert http.rpcs().count("initialize") == 2

    run(scenario())


def test_a_lost_session_is_not_restored_while_another_call_is_in_flight_in_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_legacy, "COURTESY_SECONDS", 0.05)

    async def scenario() -> None:
        arrived, may_end = asyncio.Event(), asyncio.Event()

        async def slow(seen: Seen, talk: Talk) -> None:
            if not arrived.is_set():
                arrived.set()
                await may_end.wait()
            await done(seen, talk)

        target = Legacy(slow)
        async with connected(target) as (http, connector):
            waiting = asyncio.ensure_future(connector.call(a_request(), FakeCaller()))
            await arrived.wait()
            target.forget()
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(), FakeCaller())
            assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
            assert http.rpcs().count("initialize") == 1
            may_end.set()
            await waiting
            await connector.call(a_request(), FakeCaller())
            assert http.rpcs().count("initialize") == 2

    run(scenario())


@pytest.mark.parametrize("named", [{}, {"id": None}])
def test_a_session_that_the_target_calls_invalid_is_restored_too(
    run: Run, named: dict[str, Any]
) -> None:
    error = {"code": -32000, "message": "Bad Request: No valid session ID provided"}
    refusal = {"jsonrpc": "2.0", "error": error, **named}

    async def scenario() -> None:
        known = False

        async def forgetful(seen: Seen, talk: Talk) -> None:
            nonlocal known
            if known:
                await done(seen, talk)
            else:
                known = True
                await talk.json(refusal, 400)

        _, target = await call(legacy(forgetful))
        assert target.rpcs().count("tools/call") == 2
        assert target.rpcs().count("initialize") == 2

    run(scenario())


def test_a_session_lost_again_at_once_is_given_up(run: Run) -> None:
    async def scenario() -> None:
        lost = 1

        async def forgetful(seen: Seen, talk: Talk) -> None:
            nonlocal lost
            if lost:
                lost -= 1
                await talk.respond(404)
            else:
                await done(seen, talk)

        _, target = await call(legacy(forgetful))
        assert target.rpcs().count("tools/call") == 2
        assert target.rpcs().count("initialize") == 2

        lost = 2
        with pytest.raises(TargetError) as raised:
            await call(legacy(forgetful))
        assert raised.value.ran is Ran.NO

    run(scenario())


@pytest.mark.parametrize(("status", "times"), [(400, 2), (429, 1), (500, 1)])
def test_only_a_session_that_may_be_unknown_is_made_anew(run: Run, status: int, times: int) -> None:
    async def scenario() -> None:
        fails = True

        async def answer(seen: Seen, talk: Talk) -> None:
            if fails:
                await talk.respond(status)
            else:
                await done(seen, talk)

        async with HttpTarget(legacy(answer)) as target:
            connector = a_connector(target)
            with pytest.raises(TargetError):
                await connector.call(a_request(), FakeCaller())
            assert target.rpcs().count("tools/call") == 1
            fails = False
            await connector.call(a_request(), FakeCaller())
            assert target.rpcs().count("initialize") == times
            await connector.close()

    run(scenario())


def test_a_stateless_legacy_target_needs_no_session_and_404_is_no_reason_to_retry(run: Run) -> None:
    async def scenario() -> None:
        _, target = await call(legacy(done, session=None))
        assert "mcp-session-id" not in target.seen[3].headers
        assert "DELETE" not in target.rpcs()

        async def gone(_seen: Seen, talk: Talk) -> None:
            await talk.respond(404)

        with pytest.raises(TargetError) as raised:
            await call(legacy(gone, session=None))
        assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)

    run(scenario())


def test_a_polled_stream_is_taken_up_as_often_as_it_moves_on(run: Run) -> None:
    turns = http_legacy.MAX_RESUMES + 3

    async def scenario() -> None:
        async def polling(seen: Seen, talk: Talk) -> None:
            await talk.stream()
            if seen.method == "POST":
                ids.append(seen.message["id"])
                await talk.chunk(b"id: e-0\nretry: 1\ndata:\n\n")
            else:
                assert seen.headers["last-event-id"] == f"e-{len(ids) - 1}"
                assert seen.headers["mcp-session-id"] == "s-1"
                if len(ids) == turns:
                    await talk.event({"jsonrpc": "2.0", "id": ids[0], "result": DONE})
                else:
                    await talk.chunk(b"id: e-%d\ndata:\n\n" % len(ids))
                ids.append(0)
            await talk.end_stream()

        ids: list[int] = []
        reply, target = await call(legacy(polling), a_request(timeout_seconds=20))
        assert json.loads(reply.body) == DONE
        assert target.rpcs().count("tools/call") == 1
        assert target.rpcs().count("GET") == turns

    run(scenario())


async def refuses(_seen: Seen, talk: Talk) -> None:
    await talk.respond(405)


async def says_nothing(_seen: Seen, talk: Talk) -> None:
    await talk.stream()
    await talk.end_stream()


async def hangs_up(_seen: Seen, talk: Talk) -> None:
    await talk.hang_up()


@pytest.mark.parametrize("again", [refuses, says_nothing, hangs_up], ids=str)
def test_a_cut_stream_that_cannot_be_taken_up_is_lost(
    run: Run, again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_legacy, "MAX_RESUMES", 2)

    async def cut(seen: Seen, talk: Talk) -> None:
        if seen.method == "POST":
            await talk.stream()
            await talk.chunk(b"id: e-1\nretry: 1\ndata:\n\n")
            await talk.end_stream()
        else:
            await again(seen, talk)

    fault = faults(run, legacy(cut))
    assert (fault.code, fault.ran) == ("target_lost", Ran.UNKNOWN)


def test_a_target_that_went_while_a_stream_was_cut_may_have_run_the_call(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_legacy, "MAX_RESUMES", 2)

    async def scenario() -> None:
        async def cut(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.chunk(b"id: e-1\nretry: 1\ndata:\n\n")
            http.stop()
            await talk.hang_up()

        async with HttpTarget(legacy(cut)) as http:
            connector = a_connector(http)
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(), FakeCaller())
            assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
            await connector.close()

    run(scenario())


def test_release_ends_the_session_and_a_target_that_is_gone_does_not_matter(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (http, connector):
            for key in ("ada", "bob"):
                await connector.call(a_request(session_key=key), FakeCaller())
            await connector.release("ada")
            assert target.known == {"s-2"}
            assert http.seen[-1].method == "DELETE"
            assert http.seen[-1].headers["mcp-session-id"] == "s-1"
            await connector.release("ada")
            await connector.release("nobody")
            http.stop()
            await connector.release("bob")

    run(scenario())


def test_a_call_that_loses_its_session_while_the_client_leaves_makes_no_other(run: Run) -> None:
    async def scenario() -> None:
        target = Legacy()

        async def forget(_seen: Seen, talk: Talk) -> None:
            await connector.release("ada")
            await talk.respond(404)

        async with connected(target) as (http, connector):
            target.call = forget
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(), FakeCaller())
            assert (raised.value.code, raised.value.ran) == ("target_unavailable", Ran.NO)
            assert http.rpcs().count("initialize") == 1

    run(scenario())


def test_a_full_house_ends_the_longest_idle_session(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_legacy, "MAX_SESSIONS", 2)

    async def scenario() -> None:
        target = Legacy()
        async with connected(target) as (_, connector):
            for key in ("ada", "bob", "eve"):
                await connector.call(a_request(session_key=key), FakeCaller())
            await until(lambda: target.known == {"s-2", "s-3"})

    run(scenario())


def test_subscriptions_of_one_session_have_a_bound(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_legacy, "MAX_SUBSCRIPTIONS", 1)

    async def scenario() -> None:
        async with connected(Legacy(resources={"subscribe": True})) as (http, connector):
            for uri, is_refused in (("a", False), ("b", True)):
                request = a_method("resources/subscribe", {"uri": uri})
                reply = await connector.call(request, FakeCaller())
                assert reply.is_error is is_refused
            assert http.rpcs().count("resources/subscribe") == 1

    run(scenario())


def test_what_belongs_to_a_call_carries_its_headers(run: Run) -> None:
    """Its resumption, the answers to what the target asks in it, and its cancellation."""

    async def asking(seen: Seen, talk: Talk) -> None:
        if seen.method == "GET":
            await talk.stream()
            if "last-event-id" in seen.headers:  # not on the session's own stream
                await talk.event({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
            await talk.until_peer_hangs_up()
            return
        await talk.stream()
        await talk.chunk(b"id: e-1\ndata: \n\n")
        await talk.end_stream()
        await talk.hang_up()

    async def scenario() -> None:
        async with HttpTarget(legacy(asking)) as target:
            connector = a_connector(target, pass_headers=["x-tenant"])
            request = a_request(headers={"x-tenant": "a"}, offer=an_offer("roots"))
            caller = FakeCaller(answers=[Reply(body=b'{"roots":[]}')])
            calling = asyncio.ensure_future(connector.call(request, caller))
            await until(lambda: "q" in [s.message.get("id") for s in target.seen if s.body])
            calling.cancel()
            await until(lambda: "notifications/cancelled" in target.rpcs())
            await connector.close()
            carrying = [
                seen.method if seen.rpc == "POST" else seen.rpc
                for seen in target.seen
                if seen.headers.get("x-tenant") == "a"
            ]
            assert sorted(carrying) == ["GET", "POST", "notifications/cancelled", "tools/call"]

    run(scenario())
