"""Eras are found and not downgraded, sessions kept apart, and the target told when to stop."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import uvloop

from callgate.model import Ran
from callgate.ports import TargetError
from fakes.http_calls import Run, a_connector, a_request, call, faults, until
from fakes.http_target import (
    DONE,
    HttpTarget,
    Seen,
    Talk,
    done,
    legacy,
    modern,
)
from fakes.target import FakeCaller


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
def test_every_legacy_revision_is_accepted(run: Run, version: str) -> None:
    async def scenario() -> None:
        _, target = await call(legacy(done, version=version))
        assert target.seen[3].headers["mcp-protocol-version"] == version

    run(scenario())


def test_a_revision_nobody_knows_is_refused_before_anything_ran(run: Run) -> None:
    fault = faults(run, legacy(done, version="2019-01-01"))
    assert (fault.code, fault.ran) == ("target_protocol_error", Ran.NO)
    assert "2019-01-01" in fault.detail


def test_requests_of_a_legacy_target_are_answered_and_nothing_is_offered(run: Run) -> None:
    async def scenario() -> None:
        answered = asyncio.Event()

        async def asks(seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event({"jsonrpc": "2.0", "id": "p", "method": "ping"})
            await talk.event({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage"})
            await answered.wait()
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        inner = legacy(asks)
        answers: dict[object, Any] = {}

        async def answer(seen: Seen, talk: Talk) -> None:
            if seen.method == "POST" and "method" not in seen.message:
                answers[seen.message["id"]] = seen.message
                if len(answers) == 2:
                    answered.set()
            await inner(seen, talk)

        await call(answer)
        assert answers["p"]["result"] == {}
        assert answers[7]["error"]["code"] == -32601

    run(scenario())


def test_sessions_are_shared_by_one_key_and_by_no_other(run: Run) -> None:
    async def scenario() -> None:
        made = 0
        inner = legacy(done)

        async def answer(seen: Seen, talk: Talk) -> None:
            nonlocal made
            if seen.rpc == "initialize":
                made += 1
                result = {"protocolVersion": "2025-11-25", "capabilities": {}}
                await talk.result(seen, result, Mcp_Session_Id=f"s-{made}")
            else:
                await inner(seen, talk)

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            keys = ["ada", "bob", "ada", "ada", "bob", "eve"]
            await asyncio.gather(
                *(connector.call(a_request(session_key=key), FakeCaller()) for key in keys)
            )
            used: dict[str, int] = {}
            for seen in target.seen:
                if seen.rpc == "tools/call":
                    session = seen.headers["mcp-session-id"]
                    used[session] = used.get(session, 0) + 1
            assert sorted(used.values()) == [1, 2, 3]
            assert made == 3
            await connector.close()
            assert target.rpcs().count("DELETE") == 3

    run(scenario())


def test_a_lost_session_is_made_again_and_the_call_repeated_once(run: Run) -> None:
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


def test_a_cut_stream_is_taken_up_where_it_ended_without_calling_again(run: Run) -> None:
    async def scenario() -> None:
        async def polling(seen: Seen, talk: Talk) -> None:
            if seen.method == "POST":
                await talk.stream()
                await talk.chunk(b"id: e-1\nretry: 1\ndata:\n\n")
                await talk.end_stream()
                polling_id.append(seen.message["id"])
            else:
                assert seen.headers["last-event-id"] == "e-1"
                assert seen.headers["mcp-session-id"] == "s-1"
                await talk.stream()
                await talk.event({"jsonrpc": "2.0", "id": polling_id[0], "result": DONE})
                await talk.end_stream()

        polling_id: list[int] = []
        reply, target = await call(legacy(polling))
        assert json.loads(reply.body) == DONE
        assert target.rpcs().count("tools/call") == 1

    run(scenario())


def test_a_cut_stream_that_cannot_be_taken_up_is_lost(run: Run) -> None:
    async def refuses(seen: Seen, talk: Talk) -> None:
        if seen.method == "POST":
            await talk.stream()
            await talk.chunk(b"id: e-1\nretry: 1\ndata:\n\n")
            await talk.end_stream()
        else:
            await talk.respond(405)

    fault = faults(run, legacy(refuses))
    assert (fault.code, fault.ran) == ("target_lost", Ran.UNKNOWN)


@pytest.mark.parametrize("status", [401, 403, 500, 502, 503, 302])
def test_an_outage_or_refusal_never_leads_to_the_older_era(run: Run, status: int) -> None:
    async def scenario() -> None:
        async def answer(_seen: Seen, talk: Talk) -> None:
            await talk.respond(status)

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            with pytest.raises(TargetError):
                await connector.call(a_request(), FakeCaller())
            assert target.rpcs() == ["server/discover"]
            await connector.close()

    run(scenario())


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_target_with_neither_era_is_told_about_the_old_transport(run: Run, status: int) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(status)

    fault = faults(run, answer)
    assert (fault.code, fault.ran) == ("target_unavailable", Ran.NO)
    assert "HTTP+SSE transport of 2024-11-05" in fault.detail


def test_a_modern_error_to_the_opening_question_keeps_the_modern_era(run: Run) -> None:
    async def scenario() -> None:
        async def answer(seen: Seen, talk: Talk) -> None:
            if seen.rpc == "server/discover":
                await talk.error(seen, -32021, status=400)
            else:
                await done(seen, talk)

        _, target = await call(answer)
        assert target.rpcs() == ["server/discover", "tools/call"]

    run(scenario())


def test_a_target_of_a_later_revision_only_is_refused_by_name(run: Run) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.error(seen, -32022, status=400, data={"supported": ["2030-01-01"]})

    fault = faults(run, answer)
    assert (fault.code, fault.ran) == ("target_protocol_error", Ran.NO)
    assert "2030-01-01" in fault.detail


@pytest.mark.parametrize("code", [-32020, -32021, -32022])
def test_a_modern_refusal_of_the_call_is_not_passed_on_as_a_reply(run: Run, code: int) -> None:
    async def answer(seen: Seen, talk: Talk) -> None:
        await talk.error(seen, code, status=400)

    fault = faults(run, modern(answer))
    assert (fault.code, fault.ran) == ("target_protocol_error", Ran.NO)


def test_a_slow_target_times_out_and_learns_that_nobody_waits(run: Run) -> None:
    async def scenario() -> None:
        closed = asyncio.Event()

        async def slow(_seen: Seen, talk: Talk) -> None:
            await talk.until_peer_hangs_up()
            closed.set()

        for era in (modern, legacy):
            closed.clear()
            async with HttpTarget(era(slow)) as target:
                connector = a_connector(target)
                with pytest.raises(TargetError) as raised:
                    await connector.call(a_request(timeout_seconds=0.2), FakeCaller())
                assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.UNKNOWN)
                await asyncio.wait_for(closed.wait(), 5)
                if era is legacy:
                    await until(lambda: "notifications/cancelled" in target.rpcs())
                    [note] = [s for s in target.seen if s.rpc == "notifications/cancelled"]
                    [sent] = [s for s in target.seen if s.rpc == "tools/call"]
                    assert note.message["params"]["requestId"] == sent.message["id"]
                    assert note.headers["mcp-session-id"] == "s-1"
                await connector.close()

    run(scenario())


def test_a_slow_opening_did_not_run(run: Run) -> None:
    async def slow(_seen: Seen, talk: Talk) -> None:
        await talk.until_peer_hangs_up()

    fault = faults(run, slow, timeout_seconds=0.1)
    assert (fault.code, fault.ran) == ("target_timeout", Ran.NO)


@pytest.mark.parametrize("at", ["server/discover", "initialize", "tools/call"])
def test_cancelling_at_any_point_leaves_the_connector_usable(run: Run, at: str) -> None:
    async def scenario() -> None:
        reached, is_first = asyncio.Event(), True
        inner = modern(done) if at == "server/discover" else legacy(done)

        async def answer(seen: Seen, talk: Talk) -> None:
            nonlocal is_first
            if seen.rpc == at and is_first:
                is_first = False
                reached.set()
                await asyncio.sleep(0.05)
            await inner(seen, talk)

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            task = asyncio.ensure_future(connector.call(a_request(), FakeCaller()))
            await reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            reply = await connector.call(a_request(), FakeCaller())
            assert json.loads(reply.body) == DONE
            if at == "tools/call":
                await until(lambda: "notifications/cancelled" in target.rpcs())
            await connector.close()

    run(scenario())


def test_the_opening_is_asked_once_however_many_wait_and_again_after_a_fault(run: Run) -> None:
    async def scenario() -> None:
        is_down = False
        inner = modern(done)

        async def answer(seen: Seen, talk: Talk) -> None:
            if is_down:
                await talk.respond(503)
            else:
                await inner(seen, talk)

        async with HttpTarget(answer) as target:
            connector = a_connector(target)
            await asyncio.gather(
                *(connector.call(a_request(), FakeCaller()) for _ in range(10))
            )
            assert target.rpcs().count("server/discover") == 1
            is_down = True
            with pytest.raises(TargetError):
                await connector.call(a_request(), FakeCaller())
            is_down, inner = False, legacy(done)  # it came back as something else
            await connector.call(a_request(), FakeCaller())
            assert target.rpcs()[-4:] == [
                "server/discover",
                "initialize",
                "notifications/initialized",
                "tools/call",
            ]
            assert connector.status.era == "legacy"
            assert connector.status.is_ready
            await connector.close()

    run(scenario())
