"""Requests of both sides on one pipe: answers find their requests, questions the right client."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.deadlines import NEVER, Deadlines
from callgate.model import Features, Json, Offer, Reply
from callgate.protocol.outbound import SUBSCRIPTION, WireError
from callgate.upstream.duplex import MAX_ASKED_IN_CALL, MAX_ASKING, MAX_NOTES, Asked
from callgate.upstream.faults import Lost, Patience
from fakes.duplex import LEGACY, MODERN, FakeDuplex, a_target_request
from fakes.store import until
from fakes.target import FakeCaller

ROOTS = {"id": "q", "method": "roots/list"}
GIVEN = Reply(body=b'{"roots":[]}')


def run(
    scenario: Callable[[FakeDuplex], Awaitable[None]], features: Features | None = LEGACY
) -> None:
    async def whole() -> None:
        pipe = FakeDuplex(features)
        async with asyncio.timeout(30):
            await scenario(pipe)
        await pipe.close()

    asyncio.run(whole())


class Asks(FakeCaller):
    """A client that answers when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.was_cancelled = False

    async def ask(self, method: str, params: dict[str, Json]) -> Reply:
        self.asked.append((method, params))
        self.is_asked.set()
        try:
            await self.may_answer.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return GIVEN


async def refused(pipe: FakeDuplex, message_id: Any = "q") -> str:
    await until(lambda: bool(pipe.answered(message_id)))
    [answer] = pipe.answered(message_id)
    return str(answer["error"]["message"])


def test_answers_find_their_requests_in_any_order() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        calls = [pipe.call() for _ in range(3)]
        await asyncio.sleep(0)
        for number, _ in reversed(calls):
            pipe.comes({"id": number, "result": {"n": number}})
        for number, task in calls:
            assert json.loads(bytes((await task).result)) == {"n": number}

    run(scenario)


def test_answers_nobody_waits_for_are_passed_over() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        number, task = pipe.call()
        await asyncio.sleep(0)
        pipe.comes({"id": 99, "result": {}}, {"id": str(number), "result": {}}, {})
        pipe.comes({"id": number, "result": {"ok": 1}}, {"id": number, "result": {"ok": 2}})
        assert bytes((await task).result) == b'{"ok": 1}'

    run(scenario)


def test_the_end_of_the_pipe_ends_all_that_wait_and_refuses_what_comes() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        calls = [pipe.call()[1] for _ in range(3)]
        await asyncio.sleep(0)
        pipe.die("it exited with status 9")
        for ended in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(ended, Lost)
            assert str(ended) == "it exited with status 9"
        assert pipe.has_died.is_set()
        late = Asked(1)
        with pytest.raises(Lost):
            await pipe.ask(late, b"{}")
        assert not late.is_sent

    run(scenario)


def test_a_pipe_that_broke_sent_nothing() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.is_broken = True
        asked = Asked(1)
        with pytest.raises(Lost):
            await pipe.ask(asked, b"{}")
        assert not asked.is_sent

    run(scenario)


def test_only_what_was_sent_is_cancelled() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        number, task = pipe.call()
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        [note] = pipe.said("notifications/cancelled")
        assert note["params"]["requestId"] == number

    run(scenario)


def test_one_request_can_be_failed_alone() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        (number, large), (other, fine) = pipe.call(), pipe.call()
        await asyncio.sleep(0)
        pipe.fail(number, WireError("too large"))
        pipe.fail(99, WireError("nobody's"))
        pipe.comes({"id": other, "result": {}})
        with pytest.raises(WireError, match="too large"):
            await large
        await fine

    run(scenario)


def test_a_flood_of_notes_keeps_the_latest_and_the_answer() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = FakeCaller()
        number, task = pipe.call(caller)
        await asyncio.sleep(0)
        for step in range(2 * MAX_NOTES):
            params = {"progressToken": number, "progress": step}
            pipe.comes({"method": "notifications/progress", "params": params})
        pipe.comes({"id": number, "result": {}})
        await task
        assert len(caller.told) == MAX_NOTES
        assert caller.told[-1][1] == {"progressToken": "mine", "progress": 2 * MAX_NOTES - 1}

    run(scenario)


def test_a_ping_is_answered_whatever_is_spoken() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.comes({"id": 5, "method": "ping"})
        assert pipe.written == [{"jsonrpc": "2.0", "id": 5, "result": {}}]

    for features in (None, LEGACY, MODERN):
        run(scenario, features)


@pytest.mark.parametrize("features", [None, MODERN])
def test_where_targets_may_not_ask_nobody_is_asked(features: Features | None) -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = FakeCaller(answers=[GIVEN])
        pipe.call(caller)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        assert "No such request" in await refused(pipe)
        assert caller.asked == []

    run(scenario, features)


def test_a_question_goes_to_the_latest_call_of_the_one_session_that_calls() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.audience.attach(a_target_request(session_key="bob", beyond=FakeCaller()))
        first, second = FakeCaller(), FakeCaller(answers=[GIVEN])
        pipe.call(first)
        pipe.call(second)
        await asyncio.sleep(0)
        pipe.comes({**ROOTS, "params": {"x": 1}})
        await until(lambda: bool(pipe.answered("q")))
        assert pipe.answered("q") == [{"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}]
        assert (first.asked, second.asked) == ([], [("roots/list", {"x": 1})])

    run(scenario)


def test_a_question_while_two_sessions_call_is_asked_of_neither() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        callers = [FakeCaller(answers=[GIVEN]) for _ in range(2)]
        pipe.call(callers[0], session_key="ada")
        pipe.call(callers[1], session_key="bob")
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        assert "share: session" in await refused(pipe)
        assert [caller.asked for caller in callers] == [[], []]

    run(scenario)


def test_a_question_outside_any_call_goes_to_the_only_session() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyond = FakeCaller(answers=[GIVEN])
        pipe.audience.attach(a_target_request(beyond=beyond))
        pipe.comes(ROOTS)
        await until(lambda: bool(pipe.answered("q")))
        assert beyond.asked == [("roots/list", {})]

    run(scenario)


def test_a_question_right_behind_the_answer_is_outside_the_call() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller, beyond = FakeCaller(answers=[GIVEN]), FakeCaller(answers=[GIVEN])
        number, task = pipe.call(caller, beyond=beyond)
        await asyncio.sleep(0)
        pipe.comes({"id": number, "result": {}}, ROOTS)
        await task
        await until(lambda: bool(pipe.answered("q")))
        assert (caller.asked, beyond.asked) == ([], [("roots/list", {})])

    run(scenario)


@pytest.mark.parametrize("keys", [[], ["ada", "bob"]])
def test_a_question_outside_any_call_of_nobody_or_of_several_is_refused(keys: list[str]) -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyond = FakeCaller(answers=[GIVEN])
        for key in keys:
            pipe.audience.attach(a_target_request(session_key=key, beyond=beyond))
        pipe.comes(ROOTS)
        assert "cannot tell whom to ask" in await refused(pipe)
        assert beyond.asked == []

    run(scenario)


def test_a_session_that_cannot_be_asked_outside_calls_is_not() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.audience.attach(a_target_request())
        pipe.comes(ROOTS)
        assert "No such request" in await refused(pipe)

    run(scenario)


def test_what_was_not_offered_is_not_asked() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = FakeCaller(answers=[GIVEN])
        pipe.call(caller, offer=Offer(capabilities={"sampling": {}}, digest="s"))
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        assert "No such request" in await refused(pipe)
        assert caller.asked == []

    run(scenario)


def test_the_targets_time_stands_still_while_the_client_is_asked() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller, patience = Asks(), Patience(0.05)
        patience.begin(Deadlines(), patience.seconds)
        number, task = pipe.call(caller, patience)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        await caller.is_asked.wait()
        assert patience.at == NEVER
        caller.may_answer.set()
        await until(lambda: bool(pipe.answered("q")))
        assert patience.at < NEVER
        pipe.comes({"id": number, "result": {}})
        await task
        patience.end()

    run(scenario)


def test_the_target_may_take_its_question_back() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller, patience = Asks(), Patience(5)
        patience.begin(Deadlines(), patience.seconds)
        number, task = pipe.call(caller, patience)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        await caller.is_asked.wait()
        strange: list[Any] = ["other", None, [], 7]
        for request_id in (*strange, "q"):
            note = {"requestId": request_id}
            pipe.comes({"method": "notifications/cancelled", "params": note})
        await until(lambda: caller.was_cancelled)
        await asyncio.sleep(0)
        assert patience.at < NEVER
        assert pipe.answered("q") == []
        pipe.comes({"id": number, "result": {}})
        await task
        patience.end()

    run(scenario)


def test_the_end_of_the_call_ends_its_question() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = Asks()
        number, task = pipe.call(caller)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        await caller.is_asked.wait()
        pipe.comes({"id": number, "result": {}})
        await task
        assert "call is over" in await refused(pipe)
        await until(lambda: caller.was_cancelled)

    run(scenario)


def test_a_question_lives_as_long_as_any_call_that_it_may_belong_to() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = Asks()
        older, first = pipe.call(FakeCaller())
        newer, second = pipe.call(caller)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        await caller.is_asked.wait()
        pipe.comes({"id": newer, "result": {}})
        await second
        caller.may_answer.set()
        await until(lambda: bool(pipe.answered("q")))
        assert "result" in pipe.answered("q")[0]
        pipe.comes({"id": older, "result": {}})
        await first

    run(scenario)


def test_the_death_of_the_target_ends_the_asking() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = Asks()
        _, task = pipe.call(caller)
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        await caller.is_asked.wait()
        pipe.die("it is dead")
        with pytest.raises(Lost):
            await task
        await until(lambda: caller.was_cancelled)
        assert pipe.answered("q") == []

    run(scenario)


def test_a_session_that_leaves_is_asked_no_longer() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyond = Asks()
        pipe.audience.attach(a_target_request(beyond=beyond))
        pipe.comes(ROOTS)
        await beyond.is_asked.wait()
        pipe.leave("bob")
        pipe.leave("ada")
        assert "client has gone" in await refused(pipe)
        await until(lambda: beyond.was_cancelled)

    run(scenario)


def test_a_client_that_fails_is_an_error_for_the_target() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.call(FakeCaller(answers=[ValueError("secret")]))
        await asyncio.sleep(0)
        pipe.comes(ROOTS)
        assert await refused(pipe) == "The client could not be asked."

    run(scenario)


def test_a_flood_of_questions_is_bounded_at_a_time() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = Asks()
        pipe.call(caller)
        await asyncio.sleep(0)
        for number in range(1000):
            pipe.comes({**ROOTS, "id": number})
        await until(lambda: len(caller.asked) == MAX_ASKING)
        turned_down = [m for m in pipe.written if "error" in m]
        assert len(turned_down) == 1000 - MAX_ASKING
        caller.may_answer.set()
        await until(lambda: len([m for m in pipe.written if "result" in m]) == MAX_ASKING)

    run(scenario)


def test_an_id_is_not_taken_twice_at_a_time() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = Asks()
        pipe.call(caller)
        await asyncio.sleep(0)
        pipe.comes(ROOTS, ROOTS, {**ROOTS, "id": 1}, {**ROOTS, "id": "1"})
        await until(lambda: len(caller.asked) == 3)
        assert len(pipe.answered("q")) == 1

    run(scenario)


def test_questions_during_one_call_are_bounded_in_all() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        caller = FakeCaller(answers=[GIVEN] * 1000)
        pipe.call(caller)
        await asyncio.sleep(0)
        for number in range(MAX_ASKED_IN_CALL + 5):
            pipe.comes({**ROOTS, "id": number})
            await until(lambda number=number: bool(pipe.answered(number)))  # type: ignore[misc]
        assert len(caller.asked) == MAX_ASKED_IN_CALL
        assert "Too many" in await refused(pipe, MAX_ASKED_IN_CALL)

    run(scenario)


LOG = {"method": "notifications/message", "params": {"level": "info", "data": 1}}


def test_log_messages_go_where_they_can_belong_to_nobody_else() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyonds = {key: FakeCaller() for key in ("ada", "bob")}
        pipe.comes(LOG)
        pipe.audience.attach(a_target_request(beyond=beyonds["ada"]))
        pipe.comes(LOG)
        await until(lambda: len(beyonds["ada"].told) == 1)
        callers = [FakeCaller(), FakeCaller(), FakeCaller()]
        calls = [pipe.call(caller) for caller in callers[:2]]
        await asyncio.sleep(0)
        pipe.comes(LOG)
        other = pipe.call(callers[2], session_key="bob", beyond=beyonds["bob"])
        await asyncio.sleep(0)
        pipe.comes(LOG)
        for number, task in (*calls, other):
            pipe.comes({"id": number, "result": {}})
            await task
        pipe.comes(LOG)
        for _ in range(50):
            await asyncio.sleep(0)
        assert [len(caller.told) for caller in callers] == [0, 1, 0]
        assert [len(beyond.told) for beyond in beyonds.values()] == [1, 0]

    run(scenario)


def test_changed_lists_are_announced_and_told_to_every_session() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyonds = [FakeCaller(), FakeCaller()]
        for number, beyond in enumerate(beyonds):
            pipe.audience.attach(a_target_request(session_key=str(number), beyond=beyond))
        names = ("tools", "resources", "prompts", "secrets")
        for what in names:
            meta = {SUBSCRIPTION: 1}
            note = {"method": f"notifications/{what}/list_changed", "params": {"_meta": meta}}
            pipe.comes(note)
        assert pipe.heard == ["tools", "resources", "prompts"]
        await until(lambda: all(len(beyond.told) == 3 for beyond in beyonds))
        assert beyonds[0].told[0] == ("notifications/tools/list_changed", {})

    run(scenario)


def test_updates_reach_who_subscribed() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        beyonds = {key: FakeCaller() for key in ("ada", "bob")}
        for key, beyond in beyonds.items():
            pipe.audience.attach(a_target_request(session_key=key, beyond=beyond)).uris.add(key)
        for uri in ("ada", "carl", 7):
            params = {"uri": uri}
            pipe.comes({"method": "notifications/resources/updated", "params": params})
        await until(lambda: bool(beyonds["ada"].told))
        assert beyonds["ada"].told == [("notifications/resources/updated", {"uri": "ada"})]
        assert beyonds["bob"].told == []

    run(scenario)


def levels(pipe: FakeDuplex) -> list[str]:
    return [message["params"]["level"] for message in pipe.said("logging/setLevel")]


def test_the_level_is_told_when_it_differs_from_what_was_told() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.answers("logging/setLevel", {})
        await pipe.tell_level()
        for key, level in (("ada", "warning"), ("ada", "warning"), ("bob", "info")):
            pipe.audience.attach(a_target_request(session_key=key, log_level=level))
            await pipe.tell_level()
        pipe.audience.attach(a_target_request(session_key="carl", log_level="error"))
        await pipe.tell_level()
        pipe.audience.detach("bob")
        await pipe.tell_level()
        assert levels(pipe) == ["warning", "info", "warning"]

    run(scenario)


@pytest.mark.parametrize("features", [MODERN, Features(era=LEGACY.era)])
def test_the_level_is_told_only_to_who_keeps_a_log(features: Features) -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.audience.attach(a_target_request(log_level="info"))
        await pipe.tell_level()
        assert levels(pipe) == []

    run(scenario, features)


def test_a_target_that_turns_the_level_down_holds_nothing_up() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.answers("logging/setLevel", -32602)
        pipe.audience.attach(a_target_request(log_level="info"))
        await pipe.tell_level()
        await pipe.tell_level()
        assert levels(pipe) == ["info"]

    run(scenario)


def test_a_level_that_was_not_sent_is_told_again() -> None:
    async def scenario(pipe: FakeDuplex) -> None:
        pipe.answers("logging/setLevel", {})
        pipe.audience.attach(a_target_request(log_level="info"))
        pipe.is_broken = True
        with pytest.raises(Lost):
            await pipe.tell_level()
        pipe.is_broken = False
        await pipe.tell_level()
        assert levels(pipe) == ["info"]

    run(scenario)
