"""Recorded decisions once more: what flips and by which policy; what cannot be known is said."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from callgate.model import Json, Principal, Tool
from callgate.policy.cases import Ruling
from callgate.policy.decided import Decision, Left, digest_of
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.simulate import (
    CLAIMS,
    EARLY,
    MASKED,
    TIMED,
    UNFIT,
    UNKNOWN_TOOL,
    UNKNOWN_VERSION,
    Judge,
    Simulation,
    reads_claims,
)
from callgate.policy.simulated import Cause, Kind, Use
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
from fakes.calls import a_principal, a_tool

REFUND = a_tool()
ADA = a_principal("ada", "agents", claims={"role": "clerk"})
BOB = a_principal("bob", "leads")
PERMIT = '@id("all") permit(principal, action, resource);'
CAP = """@id("cap") forbid(principal, action == Callgate::Action::"shop___refund", resource)
    when { context.input.amount > 100 };"""
SMALL = """@id("small") permit(principal, action == Callgate::Action::"shop___refund", resource)
    when { context.input.amount <= 100 };"""
LEADS = """@id("leads") permit(principal in Callgate::Group::"leads", action, resource);"""


def a_judge(*texts: str, **more: Any) -> Judge:
    sources = ((f"p{i}.cedar", text) for i, text in enumerate(texts))
    fits = more.pop("fits", None)
    return Judge(Engine(read_policies(sources), Names(), **more), fits)


def a_decision(
    amount: Json = 50,
    ruling: Ruling = Ruling.PERMIT,
    *policies: str,
    principal: Principal = ADA,
    tool: Tool = REFUND,
    **more: Any,
) -> Decision:
    arguments = more.pop("arguments", {"customer": "c", "amount": amount})
    question = Question(
        principal=principal,
        tool=tool,
        arguments=arguments,
        enriched=more.pop("enriched", {}),
        now=more.pop("now", 1000.0),
    )
    digest = more.pop("digest", digest_of(arguments))
    settings: dict[str, Any] = {"call": f"c{amount}", "version": "v1", **more}
    return Decision(question=question, ruling=ruling, policies=policies, digest=digest, **settings)


def kinds(of: Simulation) -> dict[str, list[str]]:
    return {
        f"{kind.change} {kind.tool}": [str(cause) for cause in kind.causes]
        for kind in of.found.flips
    }


def test_what_comes_out_as_recorded_is_no_flip() -> None:
    simulation = Simulation(a_judge(PERMIT, CAP))

    simulation.add(a_decision(50, Ruling.PERMIT, "all"))
    simulation.add(a_decision(500, Ruling.REFUSE, "cap"))

    found = simulation.found
    assert (found.decided, found.permitted, found.flipped, found.unknown) == (2, 1, 0, 0)


def test_a_flip_names_the_policy_that_makes_it_and_says_why_in_an_example() -> None:
    simulation = Simulation(a_judge(PERMIT, CAP))

    simulation.add(a_decision(500, Ruling.PERMIT, "all"))

    ((kind, tally),) = simulation.found.flips.items()
    assert kind == Kind(
        before=Ruling.PERMIT,
        after=Ruling.REFUSE,
        causes=(Cause(what="forbids", policy="cap"),),
        tool="shop___refund",
    )
    (example,) = tally.examples
    assert (example.call, example.principal) == ("c500", "ada")
    assert example.reason == "forbidden by cap"
    account = example.account
    assert account is not None
    assert account.policies[0].clauses[0].values == {"context.input.amount": 500}


@pytest.mark.parametrize(
    ("texts", "decision", "change", "causes"),
    [
        (
            [SMALL],
            a_decision(500, Ruling.PERMIT, "all"),
            "permit-to-refuse",
            ["all no longer permits"],
        ),
        ([], a_decision(5, Ruling.PERMIT), "permit-to-refuse", ["no policy permits this call"]),
        (
            [PERMIT],
            a_decision(500, Ruling.REFUSE, "cap"),
            "refuse-to-permit",
            ["all permits", "cap no longer forbids"],
        ),
        (
            [LEADS],
            a_decision(5, Ruling.REFUSE, principal=BOB),
            "refuse-to-permit",
            ["leads permits"],
        ),
        (
            [
                PERMIT,
                '@id("bad") forbid(principal, action, resource) when { context.input.amount * 9223372036854775807 > 1 };',
            ],
            a_decision(5, Ruling.PERMIT, "all"),
            "permit-to-error",
            ["bad fails"],
        ),
        (
            [
                PERMIT,
                '@id("odd") forbid(principal, action, resource) when { context.input.colour == "red" };',
            ],
            a_decision(5, Ruling.PERMIT, "all"),
            "permit-to-error",
            ["policy odd does not fit the tool's schema"],
        ),
        (
            [PERMIT, CAP],
            a_decision(2**70, Ruling.PERMIT, "all"),
            "permit-to-error",
            ["policy cannot see the arguments exactly"],
        ),
        ([PERMIT], a_decision(5, Ruling.ERROR), "error-to-permit", ["all permits"]),
    ],
)
def test_every_way_to_come_out_otherwise_has_its_name_and_cause(
    texts: list[str], decision: Decision, change: str, causes: list[str]
) -> None:
    simulation = Simulation(a_judge(*texts))

    simulation.add(decision)

    assert kinds(simulation) == {f"{change} shop___refund": causes}


def test_the_recorded_verdict_is_reproduced_first() -> None:
    versions = {"v1": a_judge(PERMIT)}
    simulation = Simulation(a_judge(PERMIT, CAP), recorded=versions.get)

    simulation.add(a_decision(500, Ruling.PERMIT, "all"))
    simulation.add(a_decision(5, Ruling.PERMIT, "all", version="v0"))

    found = simulation.found
    assert (found.checked, found.flipped) == (1, 1)
    assert found.unchecked == {UNKNOWN_VERSION: 1}


@pytest.mark.parametrize(
    ("decision", "problem"),
    [
        (
            a_decision(500, Ruling.REFUSE, "cap"),
            "recorded: refuse; the same policies say now: permit",
        ),
        (
            a_decision(500, Ruling.PERMIT, "small"),
            "recorded: permit by other policies than those that say so now",
        ),
    ],
)
def test_a_record_that_contradicts_itself_is_not_made_anything_of(
    decision: Decision, problem: str
) -> None:
    simulation = Simulation(a_judge(), recorded={"v1": a_judge(PERMIT)}.get)

    simulation.add(decision)

    found = simulation.found
    assert list(found.unreproducible) == [problem]
    assert (found.decided, found.flipped, found.unknown) == (0, 0, 1)


def test_where_policies_read_the_time_a_contradiction_says_so() -> None:
    timed = '@id("t") permit(principal, action, resource) when { context.system.now < datetime("1970-01-01T00:10:00Z") };'
    simulation = Simulation(a_judge(), recorded={"v1": a_judge(timed)}.get)

    simulation.add(a_decision(5, Ruling.PERMIT, "t", now=600.0))

    (problem,) = simulation.found.unreproducible
    assert problem.endswith(TIMED)


def test_policies_are_compared_with_each_other_whatever_was_recorded() -> None:
    simulation = Simulation(a_judge(PERMIT, CAP), against=a_judge(PERMIT))

    simulation.add(a_decision(500, Ruling.REFUSE))
    simulation.add(a_decision(5, Ruling.REFUSE))

    assert simulation.found.changes == {"permit-to-refuse": 1}


@pytest.mark.parametrize(
    ("texts", "decision", "reason"),
    [
        ([SMALL], a_decision("***", hidden=(("input", "amount"),), digest=""), MASKED),
        (
            ['permit(principal, action, resource) when { principal.hasTag("role") };'],
            a_decision(knows_claims=False),
            CLAIMS,
        ),
        (
            ["permit(principal, action, resource) when { context.enriched.risk has score };"],
            a_decision(5, Ruling.REFUSE, is_early=True),
            EARLY,
        ),
    ],
)
def test_what_the_record_does_not_tell_is_not_guessed(
    texts: list[str], decision: Decision, reason: str
) -> None:
    simulation = Simulation(a_judge(*texts, enrichments={"risk": {"score": "integer"}}))

    simulation.add(decision)

    assert {name: tally.count for name, tally in simulation.found.undecided.items()} == {reason: 1}
    assert simulation.found.decided == 0


def test_what_is_not_told_does_not_matter_where_no_policy_reads_it() -> None:
    simulation = Simulation(a_judge(PERMIT))

    simulation.add(
        a_decision("***", Ruling.PERMIT, "all", hidden=(("input", "amount"),), knows_claims=False)
    )

    assert (simulation.found.decided, simulation.found.flipped) == (1, 0)


def test_a_check_that_cannot_be_made_leaves_the_recorded_verdict_standing() -> None:
    simulation = Simulation(a_judge(PERMIT), recorded={"v1": a_judge(PERMIT, CAP)}.get)

    simulation.add(
        a_decision("***", Ruling.REFUSE, "cap", hidden=(("input", "amount"),), digest="")
    )

    assert simulation.found.unchecked == {MASKED: 1}
    assert simulation.found.changes == {"refuse-to-permit": 1}


def test_a_decision_without_its_tool_is_left_and_counted() -> None:
    simulation = Simulation(a_judge(PERMIT))

    simulation.leave(Left(call="c1", at=5.0, principal="ada", tool="shop___refund", reason="gone"))

    tally = simulation.found.undecided["gone"]
    assert (tally.count, tally.tools, tally.first_at) == (1, {"shop___refund": 1}, 5.0)


def test_facts_of_interceptors_count_as_they_were() -> None:
    text = """@id("calm") permit(principal, action, resource)
        when { context.enriched.risk has score && context.enriched.risk.score < 5 };"""
    simulation = Simulation(a_judge(text, enrichments={"risk": {"score": "integer"}}))

    for score in (1, 9):
        simulation.add(a_decision(5, Ruling.PERMIT, "calm", enriched={"risk": {"score": score}}))

    assert simulation.found.changes == {"permit-to-refuse": 1}


def test_the_time_counts_as_it_was_although_all_else_is_alike() -> None:
    timed = '@id("t") permit(principal, action, resource) when { context.system.now < datetime("1970-01-01T00:10:00Z") };'
    simulation = Simulation(a_judge(timed))

    for now in (599.0, 601.0):
        simulation.add(a_decision(5, Ruling.PERMIT, "t", now=now))

    assert simulation.found.changes == {"permit-to-refuse": 1}


def test_tools_as_they_are_now_take_the_place_of_the_recorded_ones() -> None:
    schema = {
        "type": "object",
        "properties": {"amount": {"type": "integer"}},
        "required": ["amount"],
    }
    now = a_tool(schema=schema)
    judge = a_judge(SMALL, fits=lambda tool, arguments: None)
    refusing = a_judge(SMALL, fits=lambda tool, arguments: "no customer, please")
    taken, refused = Simulation(judge), Simulation(refusing)

    for simulation in (taken, refused):
        simulation.add(a_decision(5, Ruling.PERMIT, "small", current=now))

    assert taken.found.flipped == 0
    assert kinds(refused) == {
        "permit-to-invalid shop___refund": ["the arguments no longer fit the tool"]
    }


def test_whether_masked_arguments_fit_another_definition_is_not_guessed() -> None:
    now = a_tool(v=2)
    simulation = Simulation(a_judge(PERMIT, fits=lambda tool, arguments: None))

    simulation.add(a_decision("***", current=now, hidden=(("input", "amount"),), digest=""))

    assert list(simulation.found.undecided) == [UNFIT]


def test_a_definition_that_is_not_known_leaves_the_verdict_unchecked() -> None:
    judge = a_judge(PERMIT, fits=lambda tool, arguments: None)
    simulation = Simulation(judge, recorded={"v1": a_judge()}.get)

    simulation.add(a_decision(5, Ruling.PERMIT, "all", current=REFUND, knows_tool=False))

    assert simulation.found.unchecked == {UNKNOWN_TOOL: 1}
    assert simulation.found.decided == 1


def test_a_list_needs_no_permit() -> None:
    lists = method_tool("shop", "resources/list")
    simulation = Simulation(a_judge('@id("f") forbid(principal, action, resource);'))

    simulation.add(a_decision(tool=lists, arguments={}))

    assert simulation.found.changes == {"permit-to-refuse": 1}


def test_a_shadow_policy_decides_nothing_here_either() -> None:
    simulation = Simulation(a_judge(PERMIT, '@mode("shadow") ' + CAP))

    simulation.add(a_decision(500, Ruling.PERMIT, "all"))

    assert simulation.found.flipped == 0


def test_it_is_told_how_much_each_policy_mattered() -> None:
    simulation = Simulation(a_judge(PERMIT, SMALL, CAP, LEADS))

    for amount in (5, 50, 500):
        simulation.add(a_decision(amount, Ruling.PERMIT))

    assert list(simulation.found.uses(["all", "small", "cap", "leads"])) == [
        Use(policy="all", in_scope=3, decided=2, alone=0),
        Use(policy="small", in_scope=3, decided=2, alone=0),
        Use(policy="cap", in_scope=3, decided=1, alone=1),
        Use(policy="leads", in_scope=0, decided=0, alone=0),
    ]


def test_claims_are_read_by_tags_alone() -> None:
    told = {
        'principal.hasTag("a")': True,
        'principal in Callgate::Group::"g"': False,
        'context.input.amount > 1 && !(principal.hasTag("a") && principal.getTag("a") == "b")': True,
        'principal.issuer == "getTag"': False,
    }

    for condition, is_so in told.items():
        (policy,) = read_policies(
            [("p", f"permit(principal, action, resource) when {{ {condition} }};")]
        )
        assert reads_claims(policy) is is_so


TEXTS = [PERMIT, CAP, SMALL, LEADS]
SETS = st.lists(st.sampled_from(TEXTS), unique=True, max_size=4)
ASKED = st.tuples(st.sampled_from([5, 100, 101, 500]), st.sampled_from([ADA, BOB]))


@settings(deadline=None)
@given(SETS, SETS, st.lists(ASKED, min_size=1, max_size=12))
def test_what_is_remembered_and_shared_changes_no_verdict(
    before: list[str], after: list[str], asked: list[tuple[int, Principal]]
) -> None:
    recorded = a_judge(*before)
    decisions = []
    for amount, principal in asked:
        blank = a_decision(amount, principal=principal)
        ruled = recorded.rule(blank, blank.question, recorded.reading(blank.question))
        decisions.append(replace(blank, ruling=ruled.ruling, policies=ruled.verdict.policies))
    simulation = Simulation(a_judge(*after), recorded={"v1": recorded}.get)
    for decision in decisions:
        simulation.add(decision)

    expected = 0
    for decision in decisions:
        alone = Engine(
            read_policies((f"p{i}.cedar", text) for i, text in enumerate(after)), Names()
        )
        is_permitted = alone.authorize(decision.question).is_permitted
        expected += is_permitted != (decision.ruling is Ruling.PERMIT)
    found = simulation.found
    assert (found.flipped, found.checked, found.unknown) == (expected, len(asked), 0)
