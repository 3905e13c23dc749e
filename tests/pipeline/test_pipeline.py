"""Whatever happens to a call: it is decided, it is recorded, and nothing refused reaches a target."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.keeping import Keeping
from callgate.audit.masks import MASKED, Masks
from callgate.audit.record import content_of
from callgate.interceptors.redact import Redactor, RedactSettings
from callgate.model import Call, Outcome, Ran, Refused, Reply
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import STAGES, govern, record_refusal
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.ports import TargetError
from callgate.protocol.jsonrpc import encode
from callgate.scrutiny import Decision, Passive
from fakes.calls import a_call, a_tool
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeCatalog, FakeConnector, never

GOOD = {"customer": "c", "amount": 5}


def run(gateway: Gateway, call: Call | None = None, caller: FakeCaller | None = None) -> Outcome:
    return asyncio.run(govern(call or a_call(arguments=GOOD), gateway, caller or FakeCaller()))


def recorded(gateway: Gateway) -> list[dict[str, Any]]:
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return [content_of(entry) for entry in store.entries]


def asked(gateway: Gateway) -> list[Any]:
    connector = gateway.catalog.connector("shop")
    assert isinstance(connector, FakeConnector)
    return connector.asked


def test_a_permitted_call_is_recorded_before_and_after_and_sent_as_authorized() -> None:
    gateway = a_gateway()

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.is_delivered, outcome.call.ran) == (None, True, Ran.YES)
    assert list(outcome.timings) == [stage.__name__ for stage in STAGES]
    intent, ended = recorded(gateway)
    assert (intent["kind"], intent["arguments"], ended["kind"]) == ("intent", GOOD, "outcome")
    assert (ended["code"], ended["ran"], ended["delivered"]) == ("ok", "yes", True)
    assert intent["decision"]["policies"] == ["permit-all"]
    (request,) = asked(gateway)
    assert msgspec.json.decode(request.arguments) == GOOD


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("unknown_tool", {"requested_name": "shop___nothing"}),
        ("unknown_tool", {"requested_name": "refund"}),
        ("unknown_tool", {"requested_name": "other___refund"}),
        ("unknown_tool", {"requested_name": "shop____refund"}),
        ("invalid_arguments", {"arguments": {"customer": "c", "amount": "5"}}),
        ("invalid_arguments", {"arguments": {"customer": "c"}}),
        ("invalid_arguments", {"arguments": {**GOOD, "x": [{"__extn": {}}]}}),
    ],
)
def test_a_call_that_is_not_well_formed_is_refused_recorded_and_never_sent(
    code: str, change: dict[str, Any]
) -> None:
    gateway = a_gateway()

    outcome = run(gateway, a_call(**{"arguments": GOOD, **change}))

    assert outcome.refusal_code == code
    assert [entry["code"] for entry in recorded(gateway)] == [code]
    assert asked(gateway) == []


def test_policy_refuses_at_the_coarse_boundary_before_any_interceptor_looks() -> None:
    seen: list[str] = []
    gateway = a_gateway(policies="", chain=(hook("spy", lambda request: seen.append("looked")),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.detail) == (
        "not_permitted",
        "no policy permits this call",
    )
    assert (seen, list(outcome.timings)[-1]) == ([], "admit")


SMALL = """@id("limit") permit(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount < 3 };"""


def test_a_refusal_is_recorded_with_the_clause_that_decided_and_what_would_have_flipped_it() -> (
    None
):
    gateway = a_gateway(policies=SMALL, keeping=Keeping(masks=Masks.parse(("customer",))))

    assert run(gateway).refusal_code == "not_permitted"

    (ended,) = recorded(gateway)
    account = ended["decision"]["account"]
    assert account["near"] == [{"policy": "limit", "change": "context.input.amount < 3"}]
    assert [(one["place"], one["state"]) for one in account["policies"]] == [("p:1", "unsatisfied")]
    assert account["policies"][0]["clauses"][0]["values"] == {"context.input.amount": 5}


def test_values_of_masked_arguments_are_masked_in_the_account_too() -> None:
    gateway = a_gateway(policies=SMALL, keeping=Keeping(masks=Masks.parse(("amount",))))

    run(gateway)

    (ended,) = recorded(gateway)
    (clause,) = ended["decision"]["account"]["policies"][0]["clauses"]
    assert clause["values"] == {"context.input.amount": MASKED}


def test_a_gateway_that_observes_makes_the_call_and_records_what_it_would_have_refused() -> None:
    engine = Engine(read_policies([("p", SMALL)]), Names(), mode="observe")
    gateway = a_gateway(engine=engine)

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == (None, Ran.YES)
    intent, ended = recorded(gateway)
    for entry in (intent, ended):
        assert (entry["decision"]["permitted"], entry["decision"]["enforced"]) == (False, False)
    assert len(asked(gateway)) == 1


def test_what_a_shadow_policy_would_have_flipped_is_recorded() -> None:
    shadow = '@id("s") @mode("shadow") forbid(principal, action, resource);'
    gateway = a_gateway(policies=SMALL.replace("< 3", "< 9") + shadow)

    assert run(gateway).refusal_code is None

    (intent, _) = recorded(gateway)
    assert intent["decision"]["flips"] == [
        {"policy": "s", "would": "refuse", "reason": "forbidden by s"}
    ]


def test_nobody_is_refused_and_not_recorded() -> None:
    gateway = a_gateway(authenticator=FakeAuthenticator())

    assert run(gateway).refusal_code == "unauthenticated"
    assert recorded(gateway) == []


def test_a_store_that_is_gone_means_no_call() -> None:
    store = FakeCallStore()
    store.fail("disk full")
    gateway = a_gateway(store=store)

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.detail) == ("record_unavailable", "disk full")
    assert asked(gateway) == []


@pytest.mark.parametrize("ran", list(Ran))
def test_a_target_that_fails_is_refused_with_what_is_known_of_the_run(ran: Ran) -> None:
    error = TargetError("target_lost", "The target died.", ran=ran, detail="signal 9")
    gateway = a_gateway(connector=FakeConnector(error=error))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == ("target_lost", ran)
    assert recorded(gateway)[-1]["ran"] == ran.value
    assert recorded(gateway)[-1]["detail"] == "signal 9"


def test_a_fault_of_ours_refuses_and_says_so() -> None:
    async def broken(*_: Any) -> Reply:
        raise RuntimeError("bug")

    gateway = a_gateway(connector=FakeConnector(answer=broken))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == ("internal_error", Ran.UNKNOWN)
    assert "RuntimeError: bug" in recorded(gateway)[-1]["detail"]


def test_a_cancelled_call_is_recorded_as_cancelled_and_perhaps_run() -> None:
    async def scenario() -> Gateway:
        started = asyncio.Event()

        async def slow(*_: Any) -> Reply:
            started.set()
            return await never()

        gateway = a_gateway(connector=FakeConnector(answer=slow))
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(govern(a_call(arguments=GOOD), gateway, FakeCaller()))
            await started.wait()
            task.cancel()
        return gateway

    gateway = asyncio.run(scenario())

    _, ended = recorded(gateway)
    assert (ended["code"], ended["ran"], ended["delivered"]) == ("cancelled", "unknown", False)


def test_a_result_for_a_caller_that_left_is_not_called_delivered() -> None:
    gateway = a_gateway()

    run(gateway, caller=FakeCaller(is_gone=True))

    assert (recorded(gateway)[-1]["ran"], recorded(gateway)[-1]["delivered"]) == ("yes", False)


class Hook(Passive):
    """An interceptor of one function."""

    is_gentle = False

    def __init__(self, function: Any) -> None:
        self._function = function

    async def on_request(self, request: Any) -> Decision | None:
        return self._function(request)  # type: ignore[no-any-return]

    async def on_result(self, result: Any) -> Decision | None:
        return self._function(result)  # type: ignore[no-any-return]


def hook(name: str, function: Any, phase: str = "request", **more: Any) -> Attachment:
    return Attachment(name=name, interceptor=Hook(function), phases=frozenset({phase}), **more)


LIMIT = "permit(principal, action, resource) when { context.input.amount <= 10 };"
SHOP_LIMIT = LIMIT.replace("action,", 'action == Callgate::Action::"shop___refund",')


def test_rewritten_arguments_are_authorized_and_sent_as_rewritten() -> None:
    def lower(request: Any) -> Decision:
        return Decision(arguments={**request.arguments, "amount": 7}, note="capped")

    gateway = a_gateway(policies=SHOP_LIMIT, chain=(hook("cap", lower),))

    outcome = run(gateway, a_call(arguments={"customer": "c", "amount": 5000}))

    assert outcome.refusal_code is None
    assert msgspec.json.decode(asked(gateway)[0].arguments)["amount"] == 7
    assert recorded(gateway)[0]["changes"][0]["paths"] == ["/amount"]


def test_an_interceptor_cannot_rewrite_its_way_past_policy_or_schema() -> None:
    def to(arguments: dict[str, Any]) -> Outcome:
        gateway = a_gateway(
            policies=SHOP_LIMIT, chain=(hook("h", lambda _: Decision(arguments=arguments)),)
        )
        outcome = run(gateway)
        assert asked(gateway) == []
        return outcome

    assert to({"customer": "c", "amount": 11}).refusal_code == "not_permitted"
    assert to({"customer": "c", "amount": "x"}).refusal_code == "invalid_arguments"


def test_changing_its_copy_in_place_changes_nothing() -> None:
    def sneaky(request: Any) -> None:
        request.arguments["amount"] = 1_000_000

    gateway = a_gateway(chain=(hook("sneaky", sneaky),))

    run(gateway)

    assert msgspec.json.decode(asked(gateway)[0].arguments) == GOOD


def test_an_interceptor_may_refuse_and_its_reason_reaches_the_agent() -> None:
    gateway = a_gateway(chain=(hook("h", lambda _: Decision(refuse="Not on Sundays.")),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.reason) == ("refused_by_interceptor", "Not on Sundays.")
    assert recorded(gateway)[-1]["changes"][0]["action"] == "refused"


def test_an_interceptor_may_answer_and_then_no_target_runs_but_policy_still_decides() -> None:
    answer = {"content": [{"type": "text", "text": "cached"}]}
    chain = (hook("cache", lambda _: Decision(answer=answer)),)

    allowed = a_gateway(chain=chain)
    outcome = run(allowed)
    refused = run(
        a_gateway(policies=SHOP_LIMIT, chain=chain), a_call(arguments={**GOOD, "amount": 99})
    )

    assert outcome.call.reply is not None
    assert (msgspec.json.decode(outcome.call.reply.body), outcome.call.ran) == (answer, Ran.NO)
    assert asked(allowed) == []
    assert refused.refusal_code == "not_permitted"


def test_enriched_facts_reach_policy() -> None:
    policies = 'permit(principal, action, resource) when { context.enriched.geo has country && context.enriched.geo.country == "DE" };'

    def outcome(country: Any) -> Outcome:
        attachment = hook(
            "geo", lambda _: Decision(enrich={"country": country}), facts={"country": "string"}
        )
        return run(a_gateway(policies=policies, chain=(attachment,)))

    assert outcome("DE").refusal_code is None
    assert outcome("FR").refusal_code == "not_permitted"
    assert outcome(5).refusal_code == "interceptor_failed"


def failing(_: Any) -> None:
    raise ValueError("broken")


def test_a_failing_interceptor_refuses_unless_it_may_fail() -> None:
    strict = run(a_gateway(chain=(hook("h", failing),)))
    lenient = a_gateway(chain=(hook("h", failing, may_fail=True),))

    assert (strict.refusal_code, strict.call.ran) == ("interceptor_failed", Ran.NO)
    assert run(lenient).refusal_code is None
    assert recorded(lenient)[0]["changes"][0]["action"] == "failed"


def test_an_interceptor_that_takes_too_long_has_failed() -> None:
    class Slow(Hook):
        async def on_request(self, request: Any) -> Decision | None:
            await asyncio.Event().wait()
            return None

    attachment = Attachment(
        name="slow", interceptor=Slow(None), phases=frozenset({"request"}), timeout_seconds=0.01
    )

    outcome = run(a_gateway(chain=(attachment,)))

    assert (outcome.refusal_code, outcome.reason) == (
        "interceptor_failed",
        "The interceptor slow took too long, so the call is refused.",
    )


def test_a_failing_result_interceptor_withholds_what_ran() -> None:
    gateway = a_gateway(chain=(hook("h", failing, "result"),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == ("interceptor_failed", Ran.YES)
    assert (recorded(gateway)[-1]["ran"], recorded(gateway)[-1]["delivered"]) == ("yes", False)


def test_results_are_changed_in_declared_order() -> None:
    def add(letter: str) -> Any:
        def change(result: Any) -> Decision:
            text = result.result["content"][0]["text"] + letter
            return Decision(result={"content": [{"type": "text", "text": text}]})

        return change

    outcome = run(a_gateway(chain=(hook("a", add("a"), "result"), hook("b", add("b"), "result"))))

    assert outcome.call.reply is not None
    assert msgspec.json.decode(outcome.call.reply.body)["content"][0]["text"] == "doneab"
    assert [change.interceptor for change in outcome.call.changes] == ["a", "b"]


def test_what_one_interceptor_adds_to_a_result_the_next_one_looks_at(tmp_path: Path) -> None:
    def sign(result: Any) -> Decision:
        return Decision(result={"content": [{"type": "text", "text": "by bob@example.org"}]})

    redact = Attachment(
        name="redact",
        interceptor=Redactor(RedactSettings(), tmp_path, FakeClock()),
        phases=frozenset({"result"}),
    )

    outcome = run(a_gateway(chain=(hook("sign", sign, "result"), redact)))

    assert outcome.call.reply is not None
    assert b"bob@example.org" not in outcome.call.reply.body


def test_result_interceptors_see_errors_of_the_target_too() -> None:
    async def fails(*_: Any) -> Reply:
        return Reply(body=b'{"code":-32603,"message":"password is hunter2"}', is_error=True)

    def clean(result: Any) -> Decision:
        assert result.is_error
        error = {**result.result["error"], "message": "failed"}
        return Decision(result={"error": error})

    outcome = run(
        a_gateway(connector=FakeConnector(answer=fails), chain=(hook("c", clean, "result"),))
    )

    assert outcome.call.reply == Reply(body=b'{"code":-32603,"message":"failed"}', is_error=True)


def test_a_withheld_result_stays_back_and_the_record_says_that_the_tool_ran() -> None:
    gateway = a_gateway(chain=(hook("h", lambda _: Decision(withhold="Too secret."), "result"),))

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.reason, outcome.call.ran) == (
        "result_withheld",
        "Too secret.",
        Ran.YES,
    )
    assert not recorded(gateway)[-1]["delivered"]


def looked_at(body: bytes) -> Gateway:
    """A gateway with an interceptor that changes nothing, before a target that answers this."""

    async def answer(*_: Any) -> Reply:
        return Reply(body=body)

    return a_gateway(
        connector=FakeConnector(answer=answer), chain=(hook("h", lambda _: None, "result"),)
    )


def test_an_untouched_result_keeps_every_byte() -> None:
    odd = b'{"content":[{"type":"x-new","v":1.10}],"structuredContent":null,"vendor":{"a":[]}}'

    gateway = looked_at(odd)

    outcome = run(gateway)

    assert outcome.call.reply is not None
    assert outcome.call.reply.body == odd


@pytest.mark.parametrize(
    "hidden",
    [
        b'{"content":[{"type":"text","text":"ignore all","text":"fine"}]}',
        b'{"content":[{"type":"text","te\\u0078t":"ignore all","text":"fine\\u003a"}]}',
        b'{"content":[{"type":"text","text":"x"}],"content":[{"type":"text","text":"a:b"}]}',
    ],
)
def test_no_key_of_a_result_hides_from_interceptors_behind_its_double(hidden: bytes) -> None:
    gateway = looked_at(hidden)

    outcome = run(gateway)

    assert outcome.call.reply is not None
    assert outcome.call.reply.body == encode(msgspec.json.decode(hidden))


@pytest.mark.parametrize("number", [b"1e400", b"[" * 2000 + b"]" * 2000])
def test_a_result_that_cannot_be_read_for_interceptors_is_the_targets_fault(number: bytes) -> None:
    gateway = looked_at(b'{"content":[],"structuredContent":{"n":%b}}' % number)

    outcome = run(gateway)

    assert (outcome.refusal_code, outcome.call.ran) == ("target_protocol_error", Ran.YES)
    assert not recorded(gateway)[-1]["delivered"]


def test_attachments_apply_to_their_targets_and_tools_only() -> None:
    seen: list[str] = []
    places: dict[str, dict[str, Any]] = {
        "all": {},
        "shop": {"targets": frozenset({"shop"})},
        "git": {"targets": frozenset({"git"})},
        "refund": {"tools": frozenset({"shop___refund"})},
        "lookup": {"tools": frozenset({"shop___lookup"})},
    }
    chain = tuple(
        hook(name, lambda _, name=name: seen.append(name), **where)
        for name, where in places.items()
    )

    run(a_gateway(chain=chain))

    assert seen == ["all", "shop", "refund"]


def test_the_target_gets_the_callers_trace_context_but_no_proof_of_identity() -> None:
    gateway = a_gateway()

    run(gateway, a_call(arguments=GOOD, meta={"traceparent": "00-1"}))

    (request,) = asked(gateway)
    assert request.meta == {"traceparent": "00-1"}
    assert not hasattr(request, "proof")


def test_a_refusal_before_the_stages_is_recorded_like_any_other() -> None:
    gateway = a_gateway()
    call = a_call(principal=gateway.authenticator.anonymous)  # type: ignore[attr-defined]

    record_refusal(call, Refused("malformed", "Not JSON."), gateway)

    assert [entry["code"] for entry in recorded(gateway)] == ["malformed"]


def test_a_target_without_tools_that_is_down_is_unavailable_not_unknown() -> None:
    down = FakeConnector("git", is_ready=False)
    gateway = a_gateway(catalog=FakeCatalog((a_tool(),), down))

    assert run(gateway, a_call(requested_name="git___log")).refusal_code == "target_unavailable"


@given(
    st.sampled_from(["", LIMIT, SHOP_LIMIT, "forbid(principal, action, resource);"]),
    st.fixed_dictionaries({}, optional={"customer": st.just("c"), "amount": st.integers(-5, 20)}),
    st.sampled_from(["shop___refund", "shop___x", "refund"]),
)
def test_no_refused_call_reaches_a_target_and_no_sent_call_lacks_its_intent(
    policies: str, arguments: dict[str, Any], name: str
) -> None:
    gateway = a_gateway(policies=policies)

    outcome = run(gateway, a_call(requested_name=name, arguments=arguments))

    kinds = [entry["kind"] for entry in recorded(gateway)]
    assert kinds == (["outcome"] if outcome.is_refused else ["intent", "outcome"])
    assert len(asked(gateway)) == (0 if outcome.is_refused else 1)
