"""What the call path recorded is recalled as it was, and decided again to the same verdict."""

import asyncio
from dataclasses import replace as changed
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.audit.keeping import Keeping
from callgate.audit.masks import Masks
from callgate.model import Call, Principal, Ran, Refused
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import DRY, govern
from callgate.pipeline.replay import (
    ERASED,
    NO_DEFINITION,
    NO_TOOL,
    Recall,
    Rehearsed,
    Unasked,
    Versions,
    arguments_of,
    engine_of,
    has_intent,
    is_early,
    rehearse,
)
from callgate.policy.cases import Ruling
from callgate.policy.decided import ARGUMENTS, Decision, Left
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.simulate import CLAIMS, MASKED, Judge, Simulation
from callgate.policy.source import read_policies
from callgate.ports import TargetError
from callgate.protocol.definitions import read_tool
from callgate.scrutiny import Decision as Wish
from callgate.scrutiny import Passive, Request
from fakes.calls import SCHEMA, a_call, a_principal
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.recorded import FakeRecords, defined
from fakes.store import FakeCallStore
from fakes.target import FakeAuthenticator, FakeCaller, FakeConnector

REFUND = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA})
GOOD = {"customer": "c", "amount": 5}
PERMIT = '@id("permit-all") permit(principal, action, resource);'
RULES = """
@id("small") permit(principal in Callgate::Group::"agents", action, resource)
when { context.input.amount < 100 };
@id("clerks") permit(principal, action, resource)
when { principal.hasTag("role") && principal.getTag("role") == "clerk" };
@id("calm") forbid(principal, action, resource)
when { context.enriched.risk has score && context.enriched.risk.score > 7 };
@id("early") forbid(principal, action, resource)
when { context.system.now < datetime("2026-01-01") };
"""


class Hook(Passive):
    """Changes arguments, adds facts, or answers, as a test wants it."""

    def __init__(self, wish: Wish | None) -> None:
        self.wish = wish

    async def on_request(self, request: Request) -> Wish | None:
        return self.wish


def hooked(wish: Wish | None) -> Attachment:
    facts = {"score": "integer"}
    return Attachment(
        name="risk", interceptor=Hook(wish), phases=frozenset({"request"}), facts=facts
    )


def gateway_with(policies: str = PERMIT, **more: Any) -> Gateway:
    return a_gateway(policies=policies, tools=(REFUND,), **more)


def run(gateway: Gateway, **call: Any) -> None:
    asked: dict[str, Any] = {"arguments": GOOD, **call}
    asyncio.run(govern(a_call(**asked), gateway, FakeCaller()))


def record_of(gateway: Gateway) -> FakeRecords:
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    return FakeRecords([defined(gateway.engine), *store.kept])


def recalled(gateway: Gateway, **more: Any) -> list[Decision | Left | Unasked]:
    records = record_of(gateway)
    recall = Recall(records, **more)
    found = (recall.decision(entry) for entry in records.entries_)
    return [one for one in found if one is not None]


def replayed(gateway: Gateway, candidate: str | None = None, **more: Any) -> Rehearsed:
    records = record_of(gateway)
    engine = gateway.engine
    if candidate is not None:
        engine = Engine(read_policies([("p", candidate)]), engine.names, engine.enrichments)
    versions = Versions(records, engine.names, engine.enrichments)
    simulation = Simulation(Judge(engine), recorded=versions.judge)
    return rehearse(iter(records.entries_), Recall(records, **more), simulation)


def test_a_decision_comes_back_with_everything_it_rested_on() -> None:
    ada = a_principal(
        "ada", "agents", tenant="acme", agent="bot", claims={"role": "clerk", "exp": 9}
    )
    gateway = gateway_with(
        authenticator=FakeAuthenticator(anonymous=ada), chain=(hooked(Wish(enrich={"score": 3})),)
    )

    run(gateway, id="c1")

    (decision,) = recalled(gateway)
    assert isinstance(decision, Decision)
    question = decision.question
    assert question.principal == ada
    assert (question.tool, question.arguments) == (REFUND, GOOD)
    assert question.enriched == {"risk": {"score": 3}}
    assert question.now == gateway.clock.now()
    assert (decision.call, decision.ruling, decision.policies) == (
        "c1",
        Ruling.PERMIT,
        ("permit-all",),
    )
    assert (decision.hidden, decision.knows_claims, decision.is_early) == ((), True, False)
    assert decision.version == gateway.engine.version


def test_arguments_are_those_that_were_authorized_not_those_that_were_given() -> None:
    gateway = gateway_with(RULES, chain=(hooked(Wish(arguments={"customer": "c", "amount": 500})),))

    run(gateway, arguments={"customer": "c", "amount": 5})

    (decision,) = recalled(gateway)
    assert isinstance(decision, Decision)
    assert decision.question.arguments["amount"] == 500
    assert decision.ruling is Ruling.REFUSE
    assert replayed(gateway).simulated.flipped == 0


@pytest.mark.parametrize(
    ("more", "call", "expected"),
    [
        ({}, {"requested_name": "shop___nothing"}, [Unasked(code="unknown_tool")]),
        ({}, {"arguments": {"amount": "x"}}, [Unasked(code="invalid_arguments")]),
        ({"chain": (hooked(Wish(refuse="No.")),)}, {}, [Unasked(code="refused_by_interceptor")]),
    ],
)
def test_what_ended_before_policy_was_asked_is_no_decision(
    more: dict[str, Any], call: dict[str, Any], expected: list[Unasked]
) -> None:
    gateway = gateway_with(**more)

    run(gateway, **call)

    assert recalled(gateway) == expected
    assert replayed(gateway).unasked.total() == 1


@pytest.mark.parametrize(
    ("more", "rulings"),
    [
        ({}, [Ruling.PERMIT]),
        ({"connector": FakeConnector(error=TargetError("target_timeout", "Late.", ran=Ran.UNKNOWN))}, [Ruling.PERMIT]),
        ({"chain": (hooked(Wish(answer={"content": []})),)}, [Ruling.PERMIT]),
        ({"policies": ""}, [Ruling.REFUSE]),
        ({"policies": f'{PERMIT} forbid(principal, action, resource) when {{ context.input.amount > 1 }};'}, [Ruling.REFUSE]),
        ({"policies": f'{PERMIT} forbid(principal, action, resource) when {{ context.input.amount * 9223372036854775807 > 1 }};'}, [Ruling.ERROR]),
    ],
)  # fmt: skip
def test_each_decision_is_recalled_once_however_the_call_went_on(
    more: dict[str, Any], rulings: list[Ruling]
) -> None:
    gateway = gateway_with(**more)

    run(gateway)

    found = recalled(gateway)
    assert [one.ruling for one in found if isinstance(one, Decision)] == rulings
    assert len(found) == 1


def test_a_call_that_could_not_be_recorded_is_told_by_its_outcome() -> None:
    gateway = gateway_with()
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    run(gateway)  # so that what it refers to is there
    store.fail()
    run(gateway, id="c2")
    store.mend()

    assert [one.call for one in recalled(gateway) if isinstance(one, Decision)] == ["c000", "c2"]


def test_what_was_refused_before_interceptors_is_known_as_such() -> None:
    gateway = gateway_with("", chain=(hooked(Wish(enrich={"score": 3})),))

    run(gateway)

    (decision,) = recalled(gateway)
    assert isinstance(decision, Decision)
    assert decision.is_early
    told = replayed(gateway, PERMIT).simulated
    ((_, tally),) = told.flips.items()
    assert tally.early == 1


def test_masked_values_are_known_to_be_hidden() -> None:
    keeping = Keeping(masks=Masks.parse(("customer",)))
    gateway = gateway_with(keeping=keeping)

    run(gateway)

    (decision,) = recalled(gateway)
    assert isinstance(decision, Decision)
    assert decision.hidden == (("input", "customer"),)
    reading = '@id("r") permit(principal, action, resource) when { context.input.customer == "c" };'
    assert list(replayed(gateway, reading).simulated.undecided) == [MASKED]
    other = '@id("r") permit(principal, action, resource) when { context.input.amount == 5 };'
    assert replayed(gateway, other).simulated.flipped == 0


def test_a_text_that_looks_masked_is_taken_for_what_it_is() -> None:
    gateway = gateway_with()

    run(gateway, arguments={"customer": "***", "amount": 5})

    (decision,) = recalled(gateway)
    assert isinstance(decision, Decision)
    assert decision.hidden == ()


@pytest.mark.parametrize(
    ("entry", "hidden"),
    [
        ({"format": 2, "erased": True}, (ARGUMENTS,)),
        ({"format": 2, "arguments": {"a": 1}, "arguments_sha256": "0" * 64}, (ARGUMENTS,)),
        ({"format": 2, "arguments": {"a": "***"}}, ()),
        ({"format": 2, "arguments": {"a": "***"}, "masked": ["a"]}, (("input", "a"),)),
        ({"arguments": {"a": "***"}}, (("input", "a"),)),
        ({"arguments": {"a": 1}}, ()),
    ],
)
def test_arguments_are_whole_or_it_is_known_where_they_are_not(
    entry: dict[str, Any], hidden: tuple[Any, ...]
) -> None:
    found, places, digest = arguments_of(entry)

    assert places == hidden
    assert bool(digest) is (not hidden)
    assert found == entry.get("arguments", {})


def test_without_its_description_the_claims_of_a_principal_are_not_known() -> None:
    clerk = a_principal("ada", claims={"role": "clerk"})
    gateway = gateway_with(
        RULES, authenticator=FakeAuthenticator(anonymous=clerk), chain=(hooked(None),)
    )
    run(gateway)
    records = record_of(gateway)
    records.entries_ = [one for one in records.entries_ if not one["call"].startswith("principal:")]

    recall = Recall(records)
    simulation = Simulation(Judge(gateway.engine))
    found = rehearse(iter(records.entries_), recall, simulation)

    assert list(found.simulated.undecided) == [CLAIMS]


def test_a_record_of_the_first_format_knows_no_claims_and_no_facts() -> None:
    gateway = gateway_with(RULES, chain=(hooked(Wish(enrich={"score": 3})),))
    run(gateway)
    records = record_of(gateway)
    old = [
        {**one, "format": 1, "principal": {**one["principal"]}}
        for one in records.entries_
        if one["kind"] == "intent"
    ]
    for entry in old:
        del entry["enriched"]

    recall = Recall(records)
    (decision,) = (recall.decision(entry) for entry in old)

    assert isinstance(decision, Decision)
    assert not decision.knows_claims
    assert decision.hidden == (("enriched",),)


@pytest.mark.parametrize("gone", [{"erased": True}, {"payload_lost": {"why": "too slow"}}])
def test_what_a_payload_said_that_is_gone_is_not_taken_for_nothing(gone: dict[str, Any]) -> None:
    gateway = gateway_with()
    run(gateway)
    records = record_of(gateway)
    (intent,) = (one for one in records.entries_ if one["kind"] == "intent")
    left = {name: said for name, said in intent.items() if name != "arguments"}

    decision = Recall(records).decision({**left, **gone})

    assert isinstance(decision, Decision)
    assert decision.hidden == (ARGUMENTS, ("enriched",))


def test_a_tool_counts_as_it_was_defined_then_or_not_at_all() -> None:
    gateway = gateway_with()
    run(gateway)
    records = record_of(gateway)
    for one in records.entries_:
        if one["call"].startswith("tool:"):
            one["definition"] = {**one["definition"], "description": "another"}
    entry = next(one for one in records.entries_ if one["kind"] == "intent")

    assert Recall(records).decision(entry) == Left(
        call="c000", at=gateway.clock.now(), principal="ada", tool="shop___refund",
        reason=NO_DEFINITION,
    )  # fmt: skip
    found = Recall(records, known=[REFUND]).decision(entry)
    assert isinstance(found, Decision)
    assert found.question.tool == REFUND


def test_tools_can_be_as_they_are_now() -> None:
    gateway = gateway_with()
    run(gateway)
    now = read_tool("shop", {"name": "refund", "inputSchema": SCHEMA, "description": "new"})

    (found,) = recalled(gateway, tools=lambda target, name: now)
    (gone,) = recalled(gateway, tools=lambda target, name: None)

    assert isinstance(found, Decision)
    assert (found.current, found.question.tool) == (now, REFUND)
    assert isinstance(gone, Left)
    assert gone.reason == NO_TOOL


def test_an_erased_call_is_one_decision_that_is_lost() -> None:
    gateway = gateway_with()
    run(gateway)
    records = record_of(gateway)
    kept = ("kind", "call", "at", "target", "tool")
    erased = [
        {**{name: one[name] for name in kept}, "erased": True}
        for one in records.entries_
        if one["kind"] in ("intent", "outcome")
    ]

    found = [Recall(records).decision(entry) for entry in erased[:1]]
    recall = Recall(records)
    both = [recall.decision(entry) for entry in erased]

    assert [one.reason for one in found if isinstance(one, Left)] == [ERASED]
    assert sum(isinstance(one, Left) for one in both) == 1


def test_policies_of_the_past_are_rebuilt_or_not_used() -> None:
    engine = Engine(
        read_policies(
            [("a.cedar", RULES), ("b.cedar", PERMIT + "\nforbid(principal, action, resource);")]
        ),
        Names(namespace="Acme", gateway="g"),
        {"risk": {"score": "integer"}},
    )
    records = FakeRecords([defined(engine)])
    versions = Versions(records, Names(), {})

    judge = versions.judge(engine.version)

    assert judge is not None
    assert (judge.engine.names, judge.engine.enrichments) == (engine.names, engine.enrichments)
    assert [one.id for one in judge.engine.policies] == [one.id for one in engine.policies]
    assert versions.judge(engine.version) is judge
    records.entries_[0]["policies"] = records.entries_[0]["policies"][1:]
    assert Versions(records, Names(), {}).judge(engine.version) is None
    assert versions.judge("other") is None


@pytest.mark.parametrize("told", [{}, {"policies": 5}, {"policies": [{"text": "nonsense"}]}])
def test_what_does_not_tell_policies_makes_no_engine(told: dict[str, Any]) -> None:
    assert engine_of(told, Names(), {}) is None


def test_an_outcome_knows_whether_its_intent_told_the_decision() -> None:
    base = {"kind": "outcome", "code": "ok", "ran": "no"}

    assert has_intent({**base, "ran": "yes"})
    assert has_intent({**base, "code": "interrupted", "seconds": {}})
    assert has_intent({**base, "code": "target_unavailable", "seconds": {"forward": 0.1}})
    assert not has_intent({**base, "seconds": {"authorize": 0.1}})
    assert not has_intent({**base, "method": "resources/list", "seconds": {"forward": 0.1}})
    answered = {**base, "seconds": {"forward": 0.1}, "changes": [{"action": "answered"}]}
    assert not has_intent(answered)
    assert not has_intent({"kind": "intent"})
    assert not is_early({"kind": "outcome", "seconds": {"intercept_request": 1, "admit": 1}})


PRINCIPALS = st.builds(
    lambda name, groups, claims: a_principal(name, *groups, claims=claims),
    st.sampled_from(["ada", "bob"]),
    st.lists(st.sampled_from(["agents", "leads"]), unique=True),
    st.dictionaries(st.sampled_from(["role", "exp"]), st.sampled_from(["clerk", 5]), max_size=2),
)
WISHES = st.sampled_from(
    [
        None,
        Wish(enrich={"score": 9}),
        Wish(enrich={"score": 1}),
        Wish(arguments={"customer": "c", "amount": 400}),
        Wish(answer={"content": []}),
    ]
)
POLICIES = st.lists(st.sampled_from([one + ";" for one in RULES.split(";")[:-1]]), unique=True)
ASKED = st.lists(st.tuples(PRINCIPALS, st.sampled_from([5, 99, 100, 2**53]), WISHES), max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(POLICIES, ASKED)
def test_what_is_decided_again_is_what_the_dry_stages_decide(
    policies: list[str], asked: list[tuple[Principal, int, Wish | None]]
) -> None:
    store, clock, dry = FakeCallStore(), FakeClock(), []
    for number, (principal, amount, wish) in enumerate(asked):
        gateway = gateway_with(
            "\n".join(policies),
            authenticator=FakeAuthenticator(anonymous=principal),
            chain=(hooked(wish),),
            store=store,
            clock=clock,
        )
        run(gateway, id=f"c{number}", arguments={"customer": "c", "amount": amount})
        dry.append(gateway)
        clock.advance(1.0)
    if not asked:
        return
    records = FakeRecords([defined(dry[0].engine), *store.kept])
    recall = Recall(records)
    found = [recall.decision(entry) for entry in records.entries_]
    decisions = [one for one in found if isinstance(one, Decision)]
    simulation = Simulation(Judge(dry[0].engine), recorded=Versions(records, Names(), {}).judge)
    for decision in decisions:
        simulation.add(decision)

    assert simulation.found.checked == len(asked)
    assert (simulation.found.flipped, simulation.found.unknown) == (0, 0)
    for gateway, decision in zip(dry, decisions, strict=True):
        assert _dry(gateway, decision) is (decision.ruling is Ruling.PERMIT)


def _dry(gateway: Gateway, decision: Decision) -> bool:
    """Whether the stages that decide without effect let the call through."""
    question = decision.question
    clocked = FakeClock(question.now)
    call: Call = a_call(
        arguments=question.arguments,
        principal=question.principal,
        enriched={name: dict(facts) for name, facts in question.enriched.items()},
    )
    stand_in = changed(gateway, clock=clocked)

    async def walk(call: Call) -> None:
        for stage in DRY:
            call = await stage(call, stand_in, FakeCaller())

    try:
        asyncio.run(walk(call))
    except Refused:
        return False
    return True
