"""What interceptors want is done, recorded, or only recorded; and nothing they may not want is."""

import asyncio
from typing import Any

import msgspec
import pytest

from callgate.model import Call, Outcome, Ran, Reply
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.breaker import Breaker, Gate
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.ports import Caller, TargetRequest
from callgate.scrutiny import Decision, Message, Passive, Request, Result
from fakes.calls import a_call, a_tool
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeCaller, FakeCatalog, FakeConnector

GOOD = {"customer": "c", "amount": 5}


class Hook(Passive):
    """One function for every point."""

    is_gentle = False

    def __init__(self, function: Any) -> None:
        self._function = function

    async def on_request(self, request: Request) -> Decision | None:
        return self._function(request)  # type: ignore[no-any-return]

    async def on_result(self, result: Result) -> Decision | None:
        return self._function(result)  # type: ignore[no-any-return]

    async def on_message(self, message: Message) -> Decision | None:
        return self._function(message)  # type: ignore[no-any-return]


def hook(function: Any, *phases: str, name: str = "h", **more: Any) -> Attachment:
    return Attachment(
        name=name,
        interceptor=Hook(function),
        phases=frozenset(phases or {"request"}),
        **more,
    )


def run(gateway: Gateway, caller: FakeCaller | None = None, **more: Any) -> Outcome:
    call: Call = a_call(arguments=GOOD, **more)
    return asyncio.run(govern(call, gateway, caller or FakeCaller()))


def changes(gateway: Gateway) -> list[dict[str, Any]]:
    """Of the last entry."""
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return list(msgspec.json.decode(store.entries[-1].body).get("changes", []))


def test_a_change_is_recorded_as_a_patch_with_who_made_it() -> None:
    gateway = a_gateway(
        chain=(hook(lambda r: Decision(arguments={**r.arguments, "amount": 4}, note="less")),)
    )

    run(gateway)

    (change,) = changes(gateway)
    assert change.pop("seconds") >= 0
    assert change == {
        "interceptor": "h",
        "phase": "request",
        "action": "changed",
        "paths": ["/amount"],
        "patch": [{"op": "replace", "path": "/amount", "value": 4}],
        "note": "less",
    }


@pytest.mark.parametrize(
    ("decision", "action"),
    [
        (Decision(refuse="No."), "refused"),
        (Decision(arguments={"customer": "c", "amount": 999}), "changed"),
        (Decision(answer={"content": []}), "answered"),
        (Decision(labels=("pii",)), "labelled"),
        (Decision(approve="Ask a person."), "held"),
        (RuntimeError("broken"), "failed"),
    ],
)
def test_one_that_observes_is_recorded_and_changes_nothing(decision: Any, action: str) -> None:
    def want(_: Any) -> Any:
        if isinstance(decision, Exception):
            raise decision
        return decision

    gateway = a_gateway(chain=(hook(want, is_observing=True),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == (None, Ran.YES)
    assert outcome.call.arguments == GOOD and outcome.call.labels == ()
    assert [(one["action"], one["mode"]) for one in changes(gateway)] == [(action, "observe")]


def test_a_result_that_an_observer_would_withhold_is_delivered() -> None:
    gateway = a_gateway(
        chain=(hook(lambda _: Decision(withhold="No."), "result", is_observing=True),)
    )

    assert run(gateway).is_delivered
    assert [one["action"] for one in changes(gateway)] == ["withheld"]


@pytest.mark.parametrize("decision", [Decision(withhold=""), Decision(refuse="")])
def test_a_result_is_withheld_without_a_sentence_too(decision: Decision) -> None:
    gateway = a_gateway(chain=(hook(lambda _: decision, "result"),))

    assert run(gateway).refusal_code == "result_withheld"


def test_asking_for_approval_refuses_and_says_what_for() -> None:
    gateway = a_gateway(chain=(hook(lambda _: Decision(approve="Large refunds need a lead.")),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.reason) == (
        "approval_required",
        "Large refunds need a lead.",
    )
    assert outcome.call.ran is Ran.NO


def test_labels_add_up_and_land_in_the_record_and_later_interceptors_see_them() -> None:
    seen = []

    def look(view: Any) -> Decision:
        seen.append(view.labels)
        return Decision(labels=("b", "a") if isinstance(view, Request) else ("c",))

    gateway = a_gateway(
        chain=(
            hook(lambda _: Decision(labels=("a",)), name="first"),
            hook(look, "request", "result", name="second"),
        )
    )

    outcome = run(gateway)

    assert outcome.call.labels == ("a", "b", "c")
    assert seen == [("a",), ("a", "b")]
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    intent, ended = (msgspec.json.decode(entry.body)["labels"] for entry in store.entries)
    assert (intent, ended) == (["a", "b"], ["a", "b", "c"])


@pytest.mark.parametrize("labels", [("x" * 65,), ("",), tuple(map(str, range(33))), (5,)])
def test_labels_that_are_none_are_a_failure(labels: Any) -> None:
    gateway = a_gateway(chain=(hook(lambda _: Decision(labels=labels)),))

    assert run(gateway).refusal_code == "interceptor_failed"


@pytest.mark.parametrize(
    "decision",
    [
        Decision(arguments=[]),  # type: ignore[arg-type]
        Decision(refuse=5),  # type: ignore[arg-type]
        Decision(answer={"content": "text"}),
        Decision(enrich={"undeclared": 1}),
        Decision(headers={"x": "a\r\nb"}),
        Decision(headers={"x": "ä"}),
    ],
)
def test_junk_is_a_failure_that_names_its_maker(decision: Decision) -> None:
    gateway = a_gateway(chain=(hook(lambda _: decision, name="junk"),))

    outcome = run(gateway)

    assert outcome.refusal_code == "interceptor_failed" and "junk" in outcome.reason
    assert changes(gateway)[-1]["action"] == "failed"


def test_junk_often_enough_opens_the_circuit() -> None:
    at = hook(lambda _: Decision(refuse=5), gate=Gate(breaker=Breaker(failures=2)))  # type: ignore[arg-type]
    gateway = a_gateway(chain=(at,))

    details = [run(gateway).detail for _ in range(3)]

    assert "a reason is a text" in details[1] and "left alone" in details[2]


def failed_tool() -> FakeConnector:
    async def answer(_: TargetRequest, __: Caller) -> Reply:
        return Reply(body=b'{"content":[],"isError":true}')

    return FakeConnector(answer=answer)


def test_errors_have_a_point_of_their_own_and_are_results_too() -> None:
    asked: list[str] = []

    def note(name: str) -> Any:
        return lambda _: asked.append(name)

    chain = (hook(note("error"), "error"), hook(note("result"), "result"))

    run(a_gateway(chain=chain))
    run(a_gateway(chain=chain, connector=failed_tool()))

    assert asked == ["result", "error", "result"]


def talkative() -> FakeConnector:
    async def answer(_: TargetRequest, caller: Caller) -> Reply:
        for step in range(3):
            await caller.notify("notifications/progress", {"progressToken": 1, "progress": step})
        return Reply(body=b'{"content":[]}')

    return FakeConnector(answer=answer)


def messages(*decisions: Any, **more: Any) -> tuple[list[Any], Gateway, Outcome]:
    left = list(decisions)

    def decide(_: Any) -> Any:
        decision = left.pop(0)
        if isinstance(decision, Exception):
            raise decision
        return decision

    caller = FakeCaller()
    gateway = a_gateway(chain=(hook(decide, "message", **more),), connector=talkative())
    outcome = run(gateway, caller, progress_token=1)
    return [params["progress"] for _, params in caller.told], gateway, outcome


def test_messages_can_be_changed_dropped_and_labelled() -> None:
    told, gateway, outcome = messages(
        None,
        Decision(params={"progressToken": 1, "progress": 10}, labels=("odd",)),
        Decision(withhold="no"),
    )

    assert told == [0, 10]
    assert outcome.refusal_code is None and outcome.call.labels == ("odd",)
    assert [(one["phase"], one["action"]) for one in changes(gateway)] == [
        ("message", "labelled"),
        ("message", "changed"),
        ("message", "withheld"),
    ]


def test_a_message_that_could_not_be_looked_at_is_dropped_and_the_call_goes_on() -> None:
    told, _, outcome = messages(None, RuntimeError(), None)
    allowed, _, _ = messages(None, RuntimeError(), None, may_fail=True)
    observed, _, _ = messages(None, Decision(withhold="x"), RuntimeError(), is_observing=True)

    assert outcome.refusal_code is None
    assert (told, allowed, observed) == ([0, 2], [0, 1, 2], [0, 1, 2])


def test_an_interceptor_sees_only_the_headers_that_its_settings_name() -> None:
    seen: list[Any] = []
    chain = (
        hook(lambda r: seen.append(dict(r.headers)), headers=frozenset({"x-team"})),
        hook(lambda r: seen.append(dict(r.headers))),
    )

    run(a_gateway(chain=chain), headers={"x-team": "blue", "authorization": "Bearer x"})

    assert seen == [{"x-team": "blue"}, {}]


def test_headers_for_the_target_reach_its_connector_in_lower_case() -> None:
    connector = FakeConnector()
    gateway = a_gateway(
        chain=(hook(lambda _: Decision(headers={"X-Trace-Team": "blue"})),), connector=connector
    )

    run(gateway)

    assert connector.asked[0].headers == {"x-trace-team": "blue"}
    assert changes(gateway)[0]["paths"] == ["/headers/X-Trace-Team"]


def test_a_run_is_told_by_session_or_trace() -> None:
    seen: list[str] = []
    gateway = a_gateway(chain=(hook(lambda r: seen.append(r.run)),))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    run(gateway, session_id="s1")
    run(gateway, meta={"traceparent": parent})
    run(gateway)

    assert seen == ["s1", "0af7651916cd43dd8448eb211c80319c", ""]


class Refuses:
    """A condition that never holds."""

    def holds(self, call: Call) -> bool:
        return False


def test_one_whose_condition_does_not_hold_is_not_asked() -> None:
    asked: list[Any] = []
    gateway = a_gateway(
        chain=(hook(asked.append, "request", "result", condition=Refuses()),),
    )

    assert run(gateway).refusal_code is None
    assert asked == []


def test_a_gentle_one_is_shown_the_value_itself_and_another_a_copy() -> None:
    seen: list[Any] = []

    class Gentle(Hook):
        is_gentle = True

    gentle = Attachment(name="g", interceptor=Gentle(seen.append), phases=frozenset({"request"}))
    call = a_call(arguments=GOOD)
    asyncio.run(govern(call, a_gateway(chain=(gentle, hook(seen.append))), FakeCaller()))

    assert seen[0].arguments is call.arguments
    assert seen[1].arguments == call.arguments and seen[1].arguments is not call.arguments


def test_methods_choose_what_is_looked_at() -> None:
    asked: list[Any] = []
    gateway = a_gateway(
        chain=(hook(asked.append, methods=frozenset({"resources/read"})),),
        catalog=FakeCatalog([a_tool()]),
    )

    run(gateway)
    asyncio.run(
        govern(
            a_call(
                method="resources/read",
                requested_name="demo://a",
                route="shop",
                arguments={"uri": "demo://a"},
            ),
            gateway,
            FakeCaller(),
        )
    )

    assert [view.tool.method for view in asked] == ["resources/read"]
