"""Eras are found and not downgraded, sessions kept apart, and the target told when to stop."""

from __future__ import annotations

import asyncio
import json

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
from fakes.passing import let_pass
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
def test_a_target_with_neither_era_is_not_there(run: Run, status: int) -> None:
    async def answer(_seen: Seen, talk: Talk) -> None:
        await talk.respond(status)

    fault = faults(run, answer)
    assert (fault.code, fault.ran) == ("target_unavailable", Ran.NO)
    assert "nothing speaks streamable HTTP" in fault.detail


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


def test_a_slow_target_times_out_and_learns_that_nobody_waits(run: Run) -> None:
    async def scenario() -> None:
        arrived, closed = asyncio.Event(), asyncio.Event()

        async def slow(_seen: Seen, talk: Talk) -> None:
            arrived.set()
            await talk.until_peer_hangs_up()
            closed.set()

        for era in (modern, legacy):
            arrived.clear()
            closed.clear()
            async with HttpTarget(era(slow)) as target:
                connector = a_connector(target)
                waiting = asyncio.ensure_future(connector.call(a_request(), FakeCaller()))
                await arrived.wait()
                let_pass(connector._faults.deadlines, 31.0)
                with pytest.raises(TargetError) as raised:
                    await waiting
                assert (raised.value.code, raised.value.ran) == ("target_timeout", Ran.UNKNOWN)
                await asyncio.wait_for(closed.wait(), 30)
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
            await asyncio.gather(*(connector.call(a_request(), FakeCaller()) for _ in range(10)))
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
