"""What a legacy target asks goes to the client it serves, beside the reading, within bounds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from callgate.model import Ran, Refused, Reply
from callgate.ports import TargetError, Unanswerable
from callgate.protocol.outbound import WireError, read_message
from callgate.upstream import http_asking
from callgate.upstream.http_asking import Asks
from callgate.upstream.tasks import Tasks
from fakes.http_calls import ANSWER, HeldCaller, a_request, an_offer, call, connected, until
from fakes.http_target import DONE, Legacy, Seen, Talk
from fakes.passing import let_pass
from fakes.target import FakeCaller

ELICITATION = an_offer("elicitation")
FORM = {"message": "Your name?", "requestedSchema": {"type": "object"}}


def question(request_id: int | str = "q-1", method: str = "elicitation/create") -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": FORM}


def asking(*questions: dict[str, Any]) -> Legacy:
    """A target that asks during a call, and answers it once all its questions are answered."""
    target = Legacy()

    async def ask(seen: Seen, talk: Talk) -> None:
        await talk.stream()
        for one in questions:
            await talk.event(one)
        await until(lambda: len(target.answers) == len(questions))
        await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
        await talk.end_stream()

    target.call = ask
    return target


def test_a_question_during_a_call_is_put_to_its_own_caller_and_answered_in_the_session() -> None:
    async def scenario() -> None:
        target = asking(question("q-1"), question(1))
        caller = FakeCaller(
            answers=[ANSWER, Reply(body=b'{"code":-1,"message":"x"}', is_error=True)]
        )
        reply, http = await call(target, a_request(offer=ELICITATION), caller)
        assert json.loads(reply.body) == DONE
        assert caller.asked == [("elicitation/create", FORM)] * 2
        assert target.answers["q-1"]["result"] == json.loads(ANSWER.body)
        assert target.answers[1]["error"] == {"code": -1, "message": "x"}
        [answer, _] = [s for s in http.seen if s.method == "POST" and "method" not in s.message]
        assert answer.headers["mcp-session-id"] == "s-1"
        assert target.declared == {"s-1": {"elicitation": {}}}

    asyncio.run(scenario())


def test_what_was_not_offered_is_not_asked() -> None:
    async def scenario() -> None:
        target = asking(question(), question(2, "sampling/createMessage"), question(3, "ping"))
        caller = FakeCaller(answers=[ANSWER])
        await call(target, a_request(offer=ELICITATION), caller)
        assert caller.asked == [("elicitation/create", FORM)]
        assert target.answers[2]["error"]["code"] == -32601
        assert target.answers[3]["result"] == {}

        target = asking(question())
        caller = FakeCaller(answers=[ANSWER])
        await call(target, a_request(), caller)
        assert target.answers["q-1"]["error"]["code"] == -32601
        assert caller.asked == []

    asyncio.run(scenario())


def test_a_refusal_and_silence_are_errors_for_the_target() -> None:
    async def scenario() -> None:
        target = asking(question(1), question(2), question(3))
        answers = [Refused("not_permitted", "No."), Unanswerable("Too late."), KeyError("a bug")]
        await call(target, a_request(offer=ELICITATION), FakeCaller(answers=list(answers)))
        assert target.answers[1]["error"] == {"code": -33001, "message": "No."}
        assert target.answers[2]["error"]["message"] == "Too late."
        assert target.answers[3]["error"]["message"] == "The client could not be asked."

    asyncio.run(scenario())


def test_the_stream_is_read_on_and_the_targets_time_stands_still_while_the_client_thinks() -> None:
    async def scenario() -> None:
        target = Legacy()

        async def ask(seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event(question())
            log = {"method": "notifications/message", "params": {"level": "info", "data": 1}}
            await talk.event(log)
            await until(lambda: bool(target.answers))
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        target.call = ask
        caller = HeldCaller()
        async with connected(target) as (_, connector):
            request = a_request(offer=ELICITATION, timeout_seconds=30.0)
            waiting = asyncio.ensure_future(connector.call(request, caller))
            await caller.is_asked.wait()
            await until(lambda: len(caller.told) == 1)
            let_pass(connector._faults.deadlines, 31.0)  # more than the target has
            await asyncio.sleep(0.01)
            assert not waiting.done()
            caller.may_answer.set()
            assert json.loads((await waiting).body) == DONE

    asyncio.run(scenario())


def test_a_target_that_dies_while_the_client_thinks_is_lost_and_the_client_is_let_go() -> None:
    async def scenario() -> None:
        caller = HeldCaller()

        async def ask_and_die(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event(question())
            await caller.is_asked.wait()
            await talk.hang_up()

        async with connected(Legacy(ask_and_die)) as (_, connector):
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(offer=ELICITATION), caller)
            assert (raised.value.code, raised.value.ran) == ("target_lost", Ran.UNKNOWN)
            await asyncio.wait_for(caller.is_cancelled.wait(), 30)

    asyncio.run(scenario())


def test_a_target_takes_its_question_back_by_its_id() -> None:
    async def scenario() -> None:
        caller = HeldCaller()
        target = Legacy()

        async def ask(seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event(question(7))
            await caller.is_asked.wait()
            for request_id in ("7", True, [7], 7):
                params = {"requestId": request_id}
                await talk.event({"method": "notifications/cancelled", "params": params})
                if request_id != 7:
                    assert not caller.is_cancelled.is_set()
            await caller.is_cancelled.wait()
            await talk.event({"jsonrpc": "2.0", "id": seen.message["id"], "result": DONE})
            await talk.end_stream()

        target.call = ask
        async with connected(target) as (_, connector):
            await connector.call(a_request(offer=ELICITATION), caller)
            assert target.answers == {}

    asyncio.run(scenario())


def test_cancelling_the_call_while_the_client_thinks_tells_the_target_both() -> None:
    async def scenario() -> None:
        caller = HeldCaller()

        async def ask(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            await talk.event(question())
            await talk.until_peer_hangs_up()

        target = Legacy(ask)
        async with connected(target) as (http, connector):
            waiting = asyncio.ensure_future(connector.call(a_request(offer=ELICITATION), caller))
            await caller.is_asked.wait()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await asyncio.wait_for(caller.is_cancelled.wait(), 30)
            await until(lambda: "notifications/cancelled" in http.rpcs())
            await until(lambda: "q-1" in target.answers)
            assert target.answers["q-1"]["error"]["message"] == "The call is over."

    asyncio.run(scenario())


@pytest.mark.parametrize("questions", [range(3), ["same", "same"]], ids=["many", "twice"])
def test_too_many_questions_at_a_time_or_one_id_for_two_end_the_call(
    questions: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_asking, "MAX_ASKS", 2)

    async def scenario() -> None:
        async def ask(_seen: Seen, talk: Talk) -> None:
            await talk.stream()
            for request_id in questions:
                await talk.event(question(request_id))
            await talk.until_peer_hangs_up()

        async with connected(Legacy(ask)) as (_, connector):
            with pytest.raises(TargetError) as raised:
                await connector.call(a_request(offer=ELICITATION), HeldCaller())
            assert raised.value.code == "target_protocol_error"

    asyncio.run(scenario())


def test_a_question_on_the_stream_of_a_session_goes_to_whom_the_session_is_for() -> None:
    async def scenario() -> None:
        target = Legacy()
        caller, beyond = FakeCaller(), HeldCaller()

        async def ask(seen: Seen, talk: Talk) -> None:
            await target.say("s-1", **question())
            await until(lambda: bool(target.answers))
            await talk.result(seen, DONE)

        target.call = ask
        async with connected(target) as (_, connector):
            request = a_request(offer=ELICITATION, beyond=beyond, timeout_seconds=30.0)
            waiting = asyncio.ensure_future(connector.call(request, caller))
            await beyond.is_asked.wait()
            let_pass(connector._faults.deadlines, 31.0)  # more than the target has
            await asyncio.sleep(0.01)  # the call waits for the client
            beyond.may_answer.set()
            await waiting
            assert target.answers["q-1"]["result"] == json.loads(ANSWER.body)
            assert caller.asked == []

            await target.say("s-1", **question("q-2", "roots/list"))
            await until(lambda: "q-2" in target.answers)
            assert target.answers["q-2"]["error"]["code"] == -32601

    asyncio.run(scenario())


def test_a_question_outside_any_call_can_be_taken_back_and_ends_with_the_session() -> None:
    async def scenario() -> None:
        target = Legacy()
        first, second = HeldCaller(), HeldCaller()
        async with connected(target) as (_, connector):
            request = a_request(offer=ELICITATION, beyond=first)
            await connector.call(request, FakeCaller())
            await target.say("s-1", **question(1))
            await first.is_asked.wait()
            note = {"method": "notifications/cancelled", "params": {"requestId": 1}}
            await target.say("s-1", **note)
            await asyncio.wait_for(first.is_cancelled.wait(), 30)

            await connector.call(a_request(offer=ELICITATION, beyond=second), FakeCaller())
            await target.say("s-1", **question(2))
            await second.is_asked.wait()
            await connector.release("ada")
            await asyncio.wait_for(second.is_cancelled.wait(), 30)
            assert target.known == set()

    asyncio.run(scenario())


def test_an_answer_on_its_way_counts_until_it_is_delivered() -> None:
    async def scenario() -> None:
        may_deliver = asyncio.Event()
        delivered: list[bytes] = []

        async def deliver(body: bytes) -> None:
            await may_deliver.wait()
            delivered.append(body)

        async def answer() -> bytes:
            return b"a"

        tasks = Tasks()
        asks = Asks(tasks, deliver)
        for number in range(http_asking.MAX_ASKS):
            asks.begin(read_message(b'{"id":%d,"method":"ping"}' % number), answer)
        await asyncio.sleep(0)
        with pytest.raises(WireError):
            asks.begin(read_message(b'{"id":99,"method":"ping"}'), answer)
        may_deliver.set()
        await until(lambda: len(delivered) == http_asking.MAX_ASKS)
        asks.begin(read_message(b'{"id":99,"method":"ping"}'), answer)
        asks.end()
        await tasks.close()

    asyncio.run(scenario())
