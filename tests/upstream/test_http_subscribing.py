"""What a modern target tells of its own accord is asked for, heard, and asked for again."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.model import Reply
from callgate.ports import TargetError
from callgate.upstream import http_listening, http_subscribing
from fakes.http_calls import a_method, a_request, connected, until
from fakes.http_target import Legacy, Modern, Seen, Talk
from fakes.passing import let_pass
from fakes.target import FakeCaller

UPDATED = "notifications/resources/updated"
TELLING: dict[str, Any] = {"resources": {"subscribe": True, "listChanged": True}}
DONE = Reply(body=b"{}")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_listening, "FIRST_PAUSE_SECONDS", 0.01)


def subscribing(uri: Any, beyond: FakeCaller | None = None, **more: Any) -> Any:
    return a_method("resources/subscribe", {"uri": uri}, beyond=beyond, **more)


def leaving(uri: str, **more: Any) -> Any:
    return a_method("resources/unsubscribe", {"uri": uri}, **more)


def test_changes_are_listened_for_as_far_as_the_target_declares_them() -> None:
    async def scenario() -> None:
        target = Modern(tools={"listChanged": True}, prompts={"listChanged": False}, **TELLING)
        async with connected(target) as (http, connector):
            changed: list[str] = []
            forget = connector.on_change(changed.append)
            assert http.seen == []
            assert (await connector.features()).has("tools", "listChanged")
            await until(lambda: len(target.listens) == 1)
            assert target.asked == [{"toolsListChanged": True, "resourcesListChanged": True}]
            assert http.seen[-1].headers["mcp-method"] == "subscriptions/listen"
            await target.say("tools/list_changed")
            await target.say("resources/list_changed")
            await until(lambda: changed == ["tools", "resources"])
            forget()
            await until(lambda: not target.listens)

    asyncio.run(scenario())


def test_nothing_is_listened_for_where_nobody_wants_to_know_or_nothing_is_told() -> None:
    async def scenario() -> None:
        async with connected(Modern(tools={"listChanged": True})) as (http, connector):
            await connector.call(a_request(), FakeCaller())
            assert http.rpcs() == ["server/discover", "tools/call"]
        async with connected(Modern()) as (http, connector):
            connector.on_change(lambda _: None)
            await connector.call(a_request(), FakeCaller())
            assert http.rpcs() == ["server/discover", "tools/call"]

    asyncio.run(scenario())


def test_after_a_loss_it_is_listened_again_and_what_was_missed_counts_as_changed() -> None:
    async def scenario() -> None:
        target = Modern(tools={"listChanged": True})
        async with connected(target) as (_, connector):
            changed: list[str] = []
            connector.on_change(changed.append)
            await connector.features()
            await until(lambda: len(target.listens) == 1)
            assert changed == []
            await target.cut()
            await until(lambda: len(target.listens) == 1)
            await until(lambda: changed == ["tools"])
            await target.say("tools/list_changed")
            await until(lambda: changed == ["tools", "tools"])

    asyncio.run(scenario())


def test_a_stream_that_the_target_ends_well_is_asked_for_again() -> None:
    async def scenario() -> None:
        target = Modern(tools={"listChanged": True})
        async with connected(target) as (_, connector):
            connector.on_change(lambda _: None)
            await connector.features()
            await until(lambda: len(target.listens) == 1)
            seen, talk = target.listens.pop()
            end = {"resultType": "complete", "_meta": {}}
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": end})
            await until(lambda: len(target.listens) == 1)

    asyncio.run(scenario())


@pytest.mark.parametrize("status", [400, 404, 405])
def test_a_target_that_will_not_be_listened_to_is_not_asked_again(status: int) -> None:
    async def scenario() -> None:
        target = Modern(tools={"listChanged": True})

        async def refuse(seen: Seen, talk: Talk) -> None:
            await talk.error(seen, -32601, status=status)

        target.listen = refuse
        async with connected(target) as (_, connector):
            connector.on_change(lambda _: None)
            for _ in range(3):
                await connector.call(a_request(), FakeCaller())
            await until(lambda: len(target.asked) == 1)
            await asyncio.sleep(0.05)  # several pauses
            assert len(target.asked) == 1

    asyncio.run(scenario())


def test_a_target_that_has_become_a_legacy_one_is_listened_to_no_more() -> None:
    async def scenario() -> None:
        modern, legacy = Modern(tools={"listChanged": True}), Legacy(tools={"listChanged": True})
        now: Any = modern

        async def answer(seen: Seen, talk: Talk) -> None:
            await now(seen, talk)

        async with connected(answer) as (http, connector):
            connector.on_change(lambda _: None)
            await connector.features()
            await until(lambda: len(modern.listens) == 1)
            now = legacy
            with pytest.raises(TargetError):
                await connector.call(a_request(), FakeCaller())
            await connector.list_tools()
            await until(lambda: not modern.listens)
            await until(lambda: list(legacy.streams) == ["s-1"])
            assert (await connector.features()).version == "2025-11-25"
            now = modern
            with pytest.raises(TargetError):
                await connector.call(a_request(session_key=""), FakeCaller())
            assert (await connector.features()).version == "2026-07-28"
            await until(lambda: len(modern.listens) == 1)
            assert http.rpcs().count("server/discover") == 3

    asyncio.run(scenario())


def test_updates_reach_the_session_that_subscribed_and_no_other() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)
        ada, bob = FakeCaller(), FakeCaller()
        async with connected(target) as (_, connector):
            reply = await connector.call(subscribing("x", ada), FakeCaller())
            assert reply == DONE
            assert target.asked == [{"resourceSubscriptions": ["x"]}]
            request = subscribing("y", bob, session_key="bob")
            await connector.call(request, FakeCaller())
            [(first, talk), _] = target.listens
            assert first.message["params"]["notifications"] == {"resourceSubscriptions": ["x"]}
            meta = {"io.modelcontextprotocol/subscriptionId": first.message["id"], "v/k": 1}
            for params in ({"uri": "x", "_meta": meta}, {"uri": "x"}):
                note = {"jsonrpc": "2.0", "method": UPDATED, "params": params}
                await talk.event(note)
            await until(lambda: len(ada.told) == 2)
            assert ada.told == [
                (UPDATED, {"uri": "x", "_meta": {"v/k": 1}}),
                (UPDATED, {"uri": "x"}),
            ]
            assert bob.told == []

    asyncio.run(scenario())


def test_the_stream_is_opened_anew_when_the_set_changes_and_ends_with_it() -> None:
    async def scenario() -> None:
        target, beyond = Modern(**TELLING), FakeCaller()
        async with connected(target) as (_, connector):
            for request in (
                subscribing("a", beyond),
                subscribing("b", beyond),
                subscribing("b", beyond),
                leaving("unknown"),
                leaving("a"),
            ):
                assert await connector.call(request, FakeCaller()) == DONE
            assert [asked["resourceSubscriptions"] for asked in target.asked] == [
                ["a"],
                ["a", "b"],
                ["b"],
            ]
            await until(lambda: len(target.listens) == 1)
            await target.say("resources/updated", uri="b")
            await until(lambda: beyond.told == [(UPDATED, {"uri": "b"})])
            assert await connector.call(leaving("b"), FakeCaller()) == DONE
            await until(lambda: not target.listens)

    asyncio.run(scenario())


def test_after_a_loss_the_session_is_subscribed_again_and_told_to_look() -> None:
    async def scenario() -> None:
        target, beyond = Modern(**TELLING), FakeCaller()
        async with connected(target) as (_, connector):
            await connector.call(subscribing("x", beyond), FakeCaller())
            await target.cut()
            await until(lambda: len(target.listens) == 1)
            await until(lambda: beyond.told == [(UPDATED, {"uri": "x"})])
            assert target.asked[0] == target.asked[1]

    asyncio.run(scenario())


def test_release_ends_the_stream_and_its_connection() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)
        async with connected(target) as (_, connector):
            await connector.call(subscribing("x", FakeCaller()), FakeCaller())
            await connector.release("ada")
            await until(lambda: not target.listens)
            await connector.release("ada")

    asyncio.run(scenario())


def test_a_client_that_leaves_while_it_subscribes_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)
        async with connected(target) as (_, connector):

            async def leave_and_agree(seen: Seen, talk: Talk) -> None:
                await connector.release("ada")
                target.listen = None
                await target(seen, talk)

            target.listen = leave_and_agree
            await connector.call(subscribing("x", FakeCaller()), FakeCaller())
            await until(lambda: bool(target.asked) and not target.listens)

    asyncio.run(scenario())


def test_what_the_target_does_not_take_is_said_and_what_was_there_stays() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)
        target.refused = {"secret"}
        async with connected(target) as (_, connector):
            beyond = FakeCaller()
            await connector.call(subscribing("x", beyond), FakeCaller())
            reply = await connector.call(subscribing("secret", beyond), FakeCaller())
            assert reply.is_error
            assert "secret" in json.loads(reply.body)["message"]
            await until(lambda: len(target.listens) == 1)
            await target.say("resources/updated", uri="x")
            await until(lambda: len(beyond.told) == 1)
            assert (await connector.call(subscribing(7), FakeCaller())).is_error

        async with connected(Modern()) as (http, connector):
            reply = await connector.call(subscribing("x"), FakeCaller())
            assert json.loads(reply.body)["code"] == -32601
            assert http.rpcs() == ["server/discover"]

    asyncio.run(scenario())


def test_the_targets_own_refusal_is_the_answer() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)

        async def refuse(seen: Seen, talk: Talk) -> None:
            await talk.error(seen, -32602, status=400, data="why")

        target.listen = refuse
        async with connected(target) as (_, connector):
            reply = await connector.call(subscribing("x"), FakeCaller())
            assert reply.is_error
            assert json.loads(reply.body) == {"code": -32602, "message": "no", "data": "why"}

    asyncio.run(scenario())


def test_a_target_that_breaks_off_before_it_agreed_is_a_fault() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)

        async def hang_up(_seen: Seen, talk: Talk) -> None:
            await talk.hang_up()

        target.listen = hang_up
        async with connected(target) as (_, connector):
            with pytest.raises(TargetError, match="target_unavailable"):
                await connector.call(subscribing("x"), FakeCaller())
            target.listen = None
            assert await connector.call(subscribing("x"), FakeCaller()) == DONE

    asyncio.run(scenario())


def test_a_target_that_never_agrees_runs_out_of_time() -> None:
    async def scenario() -> None:
        target, begun, closed = Modern(**TELLING), asyncio.Event(), asyncio.Event()

        async def silent(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            begun.set()
            await talk.until_peer_hangs_up()
            closed.set()

        target.listen = silent
        async with connected(target) as (_, connector):
            waiting = asyncio.ensure_future(connector.call(subscribing("x"), FakeCaller()))
            await begun.wait()
            let_pass(connector._faults.deadlines, 31.0)
            with pytest.raises(TargetError, match="target_timeout"):
                await waiting
            await asyncio.wait_for(closed.wait(), 30)

    asyncio.run(scenario())


def test_subscriptions_and_those_who_have_them_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_subscribing, "MAX_SUBSCRIPTIONS", 1)
    monkeypatch.setattr(http_subscribing, "MAX_LISTENERS", 1)

    async def scenario() -> None:
        async with connected(Modern(**TELLING)) as (_, connector):
            assert await connector.call(subscribing("a"), FakeCaller()) == DONE
            assert (await connector.call(subscribing("b"), FakeCaller())).is_error
            with pytest.raises(TargetError, match="target_unavailable"):
                await connector.call(subscribing("a", session_key="bob"), FakeCaller())
            await connector.call(leaving("a"), FakeCaller())
            request = subscribing("a", session_key="bob")
            assert await connector.call(request, FakeCaller()) == DONE

    asyncio.run(scenario())


def test_subscriptions_at_the_same_time_all_count() -> None:
    async def scenario() -> None:
        target = Modern(**TELLING)
        async with connected(target) as (_, connector):
            await asyncio.gather(*(connector.call(subscribing(uri), FakeCaller()) for uri in "abc"))
            assert target.asked[-1] == {"resourceSubscriptions": ["a", "b", "c"]}
            await until(lambda: len(target.listens) == 1)

    asyncio.run(scenario())


def test_the_level_is_no_request_of_its_own_to_a_modern_target() -> None:
    async def scenario() -> None:
        async with connected(Modern()) as (http, connector):
            reply = await connector.call(
                a_method("logging/setLevel", {"level": "info"}), FakeCaller()
            )
            assert reply == DONE
            assert http.rpcs() == ["server/discover"]

    asyncio.run(scenario())
