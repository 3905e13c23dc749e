import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from callgate.model import Call, Client, Era, FollowUp, Outcome, Ran, Reply
from callgate.pipeline.conversing import MAX_ROUNDS, STATE_SECONDS
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from fakes.calls import a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import PERMIT, a_gateway
from fakes.store import FakeCallStore
from fakes.target import OK, FakeCaller, FakeConnector

ALL: dict[str, Any] = {"elicitation": {}, "sampling": {}, "roots": {}}
MAY_ASK = {"shop": frozenset(ALL)}
ARGUMENTS = {"customer": "c1", "amount": 5}
NO_ASKING = (
    PERMIT
    + '@id("no-asking") forbid(principal, action in Callgate::Action::"AskClient", resource);'
)

Answer = Callable[[TargetRequest, Caller], Awaitable[Reply]]


def wants(requests: Any, state: str | None = "s1") -> Reply:
    body: dict[str, Any] = {"resultType": "input_required", "inputRequests": requests}
    if state is not None:
        body["requestState"] = state
    return Reply(body=json.dumps(body).encode(), kind="input_required")


def elicit(message: str = "Sure?") -> dict[str, Any]:
    return {"method": "elicitation/create", "params": {"message": message}}


def in_turn(*replies: Reply) -> Answer:
    left = list(replies)

    async def answer(request: TargetRequest, caller: Caller) -> Reply:
        return left.pop(0) if len(left) > 1 else left[0]

    return answer


def gateway_with(*replies: Reply, **more: Any) -> tuple[Gateway, FakeConnector]:
    connector = FakeConnector(answer=in_turn(*replies))
    return a_gateway(connector=connector, may_ask=MAY_ASK, **more), connector


def call_of(era: Era, capabilities: dict[str, Any] | None = None, **more: Any) -> Call:
    declared = ALL if capabilities is None else capabilities
    settings: dict[str, Any] = {
        "era": era,
        "arguments": ARGUMENTS,
        "principal": a_principal(),
        "client": Client(key="k", capabilities=declared),
        **more,
    }
    return a_call(**settings)


def made(call: Call, gateway: Gateway, caller: FakeCaller | None = None) -> Outcome:
    return asyncio.run(govern(call, gateway, caller or FakeCaller()))


def sent(request: TargetRequest) -> Any:
    return json.loads(request.params)


def test_a_legacy_client_is_asked_at_once_and_the_request_repeated_with_its_answers() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK))
    caller = FakeCaller(answers=[Reply(body=b'{"action":"accept","content":{"a":1}}')])

    outcome = made(call_of(Era.LEGACY), gateway, caller)

    assert outcome.refusal_code is None
    assert caller.asked == [("elicitation/create", {"message": "Sure?"})]
    first, second = connector.asked
    assert sent(first) == {"name": "refund", "arguments": ARGUMENTS}
    assert sent(second) == {
        **sent(first),
        "inputResponses": {"q": {"action": "accept", "content": {"a": 1}}},
        "requestState": "s1",
    }


def test_every_question_is_a_call_of_its_own_in_the_record() -> None:
    gateway, _ = gateway_with(wants({"q": elicit()}), Reply(body=OK))
    caller = FakeCaller(answers=[Reply(body=b'{"action":"decline"}')])

    made(call_of(Era.LEGACY), gateway, caller)

    store = gateway.store
    assert isinstance(store, FakeCallStore)
    asked = [json.loads(e.body) for e in store.entries if e.tool == "elicitation/create"]
    assert [(e["kind"], e["asked_in"], e["method"]) for e in asked] == [
        ("intent", "c000", "elicitation/create"),
        ("outcome", "c000", "elicitation/create"),
    ]


def test_a_modern_client_gets_the_question_with_a_state_that_it_cannot_read() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK))

    outcome = made(call_of(Era.MODERN), gateway)

    assert outcome.call.reply is not None
    body = json.loads(outcome.call.reply.body)
    assert body["inputRequests"] == {"q": elicit()}
    assert body["requestState"] != "s1"
    answers = {"q": {"action": "accept"}}
    again = call_of(Era.MODERN, follow_up=FollowUp(responses=answers, state=body["requestState"]))
    outcome = made(again, gateway)
    assert outcome.refusal_code is None
    assert sent(connector.asked[1])["requestState"] == "s1"
    assert sent(connector.asked[1])["inputResponses"] == answers


def test_a_target_without_a_state_gets_none_back() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}, state=None), Reply(body=OK))
    outcome = made(call_of(Era.MODERN), gateway)
    assert outcome.call.reply is not None
    state = json.loads(outcome.call.reply.body)["requestState"]

    made(call_of(Era.MODERN, follow_up=FollowUp(responses={}, state=state)), gateway)

    assert "requestState" not in sent(connector.asked[1])


@pytest.mark.parametrize(
    "other",
    [
        {"principal": a_principal("eve")},
        {"arguments": {**ARGUMENTS, "amount": 6}},
        {"state": "s1"},
        {"state": "tampered"},
    ],
)
def test_a_state_is_of_no_use_to_another_or_for_another_call(other: dict[str, Any]) -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK))
    outcome = made(call_of(Era.MODERN), gateway)
    assert outcome.call.reply is not None
    state = json.loads(outcome.call.reply.body)["requestState"]
    changes = dict(other)
    state = changes.pop("state", state)

    outcome = made(
        call_of(Era.MODERN, follow_up=FollowUp(responses={}, state=state), **changes), gateway
    )

    assert outcome.refusal_code == "invalid_state"
    assert len(connector.asked) == 1


def test_a_state_grows_too_old() -> None:
    clock = FakeClock()
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK), clock=clock)
    outcome = made(call_of(Era.MODERN), gateway)
    assert outcome.call.reply is not None
    state = json.loads(outcome.call.reply.body)["requestState"]
    clock.advance(STATE_SECONDS + 1)

    follow_up = FollowUp(responses={}, state=state)
    outcome = made(call_of(Era.MODERN, follow_up=follow_up), gateway)

    assert outcome.refusal_code == "invalid_state"
    assert len(connector.asked) == 1


@pytest.mark.parametrize("era", [Era.LEGACY, Era.MODERN])
def test_what_policy_lets_no_target_ask_reaches_no_client(era: Era) -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK), policies=NO_ASKING)
    caller = FakeCaller(answers=[Reply(body=b'{"action":"accept"}')])

    outcome = made(call_of(era), gateway, caller)

    assert outcome.refusal_code == "asking_refused"
    assert outcome.call.ran is Ran.UNKNOWN
    assert caller.asked == []
    assert len(connector.asked) == 1
    assert connector.asked[0].offer.is_empty


@pytest.mark.parametrize("era", [Era.LEGACY, Era.MODERN])
@pytest.mark.parametrize(
    "requests",
    [
        {"q": {"method": "tools/call", "params": {}}},
        {"q": {"method": "sampling/createMessage", "params": []}},
        {"q": "x"},
        [],
        {str(n): elicit() for n in range(33)},
    ],
)
def test_what_is_no_question_is_the_targets_fault(era: Era, requests: Any) -> None:
    gateway, _ = gateway_with(wants(requests))
    caller = FakeCaller()

    outcome = made(call_of(era), gateway, caller)

    if requests == [] and era is Era.LEGACY:
        assert outcome.refusal_code == "target_protocol_error"  # it asks for nothing, for ever
    assert outcome.refusal_code == "target_protocol_error"
    assert caller.asked == []


@pytest.mark.parametrize("era", [Era.LEGACY, Era.MODERN])
def test_a_client_is_not_asked_for_what_it_did_not_offer(era: Era) -> None:
    gateway, _ = gateway_with(wants({"q": {"method": "roots/list"}}))
    caller = FakeCaller()

    outcome = made(call_of(era, {"elicitation": {}}), gateway, caller)

    assert outcome.refusal_code == "target_protocol_error"
    assert caller.asked == []


def test_a_target_that_never_has_enough_is_given_up() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}))
    answers: list[Reply | Exception] = [
        Reply(body=b'{"action":"accept"}') for _ in range(MAX_ROUNDS)
    ]

    outcome = made(call_of(Era.LEGACY), gateway, FakeCaller(answers=answers))

    assert outcome.refusal_code == "target_protocol_error"
    assert len(connector.asked) == MAX_ROUNDS


def test_a_client_that_answers_with_an_error_has_cancelled_an_elicitation() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK))
    error = Reply(body=b'{"code":-1,"message":"no"}', is_error=True)

    outcome = made(call_of(Era.LEGACY), gateway, FakeCaller(answers=[error]))

    assert outcome.refusal_code is None
    assert sent(connector.asked[1])["inputResponses"] == {"q": {"action": "cancel"}}


def test_a_client_that_gives_no_sample_ends_the_call() -> None:
    asked = {"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}}
    gateway, connector = gateway_with(wants({"q": asked}), Reply(body=OK))
    error = Reply(body=b'{"code":-1,"message":"User rejected"}', is_error=True)

    outcome = made(call_of(Era.LEGACY), gateway, FakeCaller(answers=[error]))

    assert outcome.refusal_code == "unanswered"
    assert "User rejected" in outcome.reason
    assert len(connector.asked) == 1


def test_a_client_that_cannot_be_asked_ends_the_call() -> None:
    gateway, connector = gateway_with(wants({"q": elicit()}), Reply(body=OK))

    outcome = made(call_of(Era.LEGACY), gateway, FakeCaller())

    assert outcome.refusal_code == "unanswered"
    assert len(connector.asked) == 1


def a_task() -> Reply:
    return Reply(body=b'{"resultType":"task","taskId":"t1","status":"working"}', kind="task")


TASKS: dict[str, Any] = {"extensions": {"io.modelcontextprotocol/tasks": {}}}


def test_a_task_has_an_id_that_only_its_owner_can_use() -> None:
    gateway, connector = gateway_with(a_task())
    outcome = made(call_of(Era.MODERN, TASKS), gateway)
    assert outcome.call.reply is not None
    shown = json.loads(outcome.call.reply.body)["taskId"]
    assert shown != "t1"
    get = {"method": "tasks/get", "requested_name": shown, "arguments": {"taskId": shown}}

    mine = made(call_of(Era.MODERN, TASKS, **get), gateway)
    theirs = made(call_of(Era.MODERN, TASKS, **get, principal=a_principal("eve")), gateway)

    assert mine.call.reply is not None
    assert json.loads(mine.call.reply.body)["taskId"] == shown
    assert connector.asked[1].tool.method == "tasks/get"
    assert connector.asked[1].item == "t1"
    assert sent(connector.asked[1]) == {"taskId": "t1"}
    assert theirs.refusal_code == "unknown_item"
    assert len(connector.asked) == 2


def test_a_client_that_knows_no_tasks_gets_none() -> None:
    gateway, _ = gateway_with(a_task())

    outcome = made(call_of(Era.MODERN, {}), gateway)

    assert outcome.refusal_code == "target_protocol_error"


def test_a_url_that_the_target_wants_visited_is_a_question_to_a_modern_client() -> None:
    one = {"url": "https://x", "message": "Log in", "elicitationId": "e"}
    error = {"code": -32042, "message": "first", "data": {"elicitations": [one]}}
    demand = Reply(body=json.dumps(error).encode(), is_error=True)
    gateway, _ = gateway_with(demand)

    modern = made(call_of(Era.MODERN, {"elicitation": {"url": {}}}), gateway)
    legacy = made(call_of(Era.LEGACY, {"elicitation": {"url": {}}}), gateway)

    assert modern.call.reply is not None
    assert "inputRequests" in json.loads(modern.call.reply.body)
    assert legacy.call.reply == demand
