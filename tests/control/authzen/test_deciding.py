"""A decision is the one that the call path would make, and says to each reader what is theirs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.control.authzen.deciding import Case, Unfit, decide, failed, fitting, may
from callgate.control.authzen.mapping import principal_of
from callgate.control.authzen.reading import Action, Evaluation, Resource, Subject
from callgate.model import Flip, Json
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.pipeline import govern
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.protocol.methods import method_tool
from fakes.calls import a_call, a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.target import FakeAuthenticator, FakeCaller

POLICIES = """
@id("finance") permit (
    principal in Callgate::Group::"finance",
    action == Callgate::Action::"shop___refund",
    resource
);
@id("limit") @reason("Refunds of 1000 and more need a second person.")
forbid (principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount >= 1000 };
@id("never-on-the-list") forbid (
    principal == Callgate::OAuthUser::"eve", action in Callgate::Action::"tools/list", resource
);
@id("by-day") permit (principal, action == Callgate::Action::"shop___look", resource)
when { context.system.now < datetime("2026-01-01T00:00:00Z") };
@id("sums") permit (principal, action == Callgate::Action::"shop___sum", resource)
when { context.input.amount * 4096 > 0 };
"""
TOOLS = (
    a_tool(),
    a_tool(name="look", schema={"type": "object", "additionalProperties": False}),
    a_tool(name="sum"),
)


def gateway() -> Gateway:
    return a_gateway(policies=POLICIES, tools=TOOLS)


def decided(
    arguments: dict[str, Json],
    name: str = "refund",
    groups: tuple[str, ...] = ("finance",),
    subject: str = "ada",
    **context: Json,
) -> dict[str, Any]:
    asked = Evaluation(
        subject=Subject(type="user", id=subject, properties={"groups": list(groups)}),
        action=Action(name="tools/call", properties=arguments),
        resource=Resource(type="tool", id=f"shop___{name}"),
        context=context,
    )
    return asyncio.run(decide(asked, gateway()))


def refund(amount: Json) -> dict[str, Json]:
    return {"customer": "c", "amount": amount}


def test_a_permit_says_why_and_which_policy_with_its_place() -> None:
    assert decided(refund(999)) == {
        "decision": True,
        "context": {
            "reason_admin": {"200": "permitted by finance"},
            "policies": [{"id": "finance", "place": "p:2"}],
            "policy_version": gateway().engine.version,
        },
    }


def test_a_refusal_tells_the_user_what_its_author_wants_to_be_told_and_no_more() -> None:
    answered = decided(refund(1000))

    assert answered == {
        "decision": False,
        "context": {
            "reason_admin": {"403": "forbidden by limit"},
            "reason_user": {
                "403": "Policy does not permit this call. "
                "Refunds of 1000 and more need a second person."
            },
            "policies": [{"id": "limit", "place": "p:7"}],
            "policy_version": gateway().engine.version,
        },
    }


def test_where_no_policy_permits_there_is_none_to_name() -> None:
    context = decided(refund(1), groups=())["context"]

    assert (context["policies"], context["reason_admin"]) == (
        [],
        {"403": "no policy permits this call"},
    )


def test_a_policy_that_fails_refuses_and_the_error_is_for_the_administrator() -> None:
    assert decided(refund(2**40), name="sum")["decision"] is True

    answered = decided(refund(2**53 - 1), name="sum")

    assert answered["decision"] is False
    assert answered["context"]["reason_user"] == {"403": "Policy does not permit this call."}
    assert "evaluation failed in sums" in answered["context"]["reason_admin"]["403"]
    assert "overflow" in answered["context"]["policy_errors"][0]


def test_who_asks_for_it_is_told_clause_by_clause_and_what_would_change_it() -> None:
    context = decided(refund(1000), explain=True)["context"]
    limit = context["account"]["policies"][0]

    assert (limit["id"], limit["state"]) == ("limit", "satisfied")
    assert limit["clauses"][0]["values"] == {"context.input.amount": 1000}
    assert context["account"]["near"][0]["policy"] == "limit"
    assert "account" not in decided(refund(1000), explain="yes")["context"]


@pytest.mark.parametrize(
    ("arguments", "name", "status"),
    [
        ({}, "refund", 400),
        (refund("1"), "refund", 400),
        (refund(-1), "refund", 400),
        ({"x": 1}, "look", 400),
        ({**refund(1), "__entity": {"type": "x", "id": "y"}}, "refund", 400),
        ({**refund(1), "note": {"__extn": {"fn": "unknown", "arg": "z"}}}, "refund", 400),
        ({}, "nothing", 404),
    ],
)
def test_what_the_tool_would_not_take_is_refused_with_an_error(
    arguments: dict[str, Json], name: str, status: int
) -> None:
    answered = decided(arguments, name)

    assert answered["decision"] is False
    assert answered["context"]["error"]["status"] == status
    assert answered == failed(status, answered["context"]["error"]["message"])


def test_the_instant_of_the_context_decides() -> None:
    assert decided({}, "look", time="2025-12-31T23:59:59Z")["decision"] is True
    assert decided({}, "look", time="2026-01-01T00:00:00Z")["decision"] is False


OBSERVING = Engine(read_policies([("p", POLICIES)]), Names(), mode="observe")
SHADOWED = Engine(
    read_policies([("p", 'permit(principal, action, resource);'
                    '@id("s") @mode("shadow") forbid(principal, action, resource);')]),
    Names(),
)  # fmt: skip


def test_a_gateway_that_only_observes_still_says_what_policy_says() -> None:
    def found(groups: tuple[str, ...], arguments: dict[str, Json] | None) -> bool:
        case = Case(arguments=arguments, enriched={}, at=0.0)
        observing = a_gateway(engine=OBSERVING, tools=TOOLS)
        return may(a_principal("ada", *groups), a_tool(), case, observing)

    assert found(("finance",), refund(999)) and not found(("finance",), refund(1000))
    assert found(("finance",), None) and not found((), None)


def test_what_a_shadow_policy_would_have_said_is_for_the_administrator() -> None:
    asked = Evaluation(
        subject=Subject(type="user", id="ada"),
        action=Action(name="shop___refund", properties=refund(1)),
        resource=Resource(type="gateway", id="main"),
    )
    answered = asyncio.run(decide(asked, a_gateway(engine=SHADOWED, tools=TOOLS)))

    assert answered["decision"] is True
    assert answered["context"]["shadow_policies"] == (
        Flip(policy="s", would="refuse", reason="forbidden by s"),
    )


def test_a_list_needs_no_permit_as_on_the_call_path() -> None:
    case = Case(arguments={}, enriched={}, at=0.0)
    tool = method_tool("shop", "tools/list")

    assert may(a_principal("ada"), tool, case, gateway())
    assert not may(a_principal("eve"), tool, case, gateway())


def test_a_search_without_arguments_finds_what_some_arguments_could_permit() -> None:
    ada, bob = a_principal("ada", "finance"), a_principal("bob")

    def found(principal: Any, arguments: dict[str, Json] | None) -> bool:
        return may(principal, a_tool(), Case(arguments=arguments, enriched={}, at=0.0), gateway())

    assert (found(ada, None), found(bob, None)) == (True, False)
    assert (found(ada, refund(999)), found(ada, refund(1000)), found(ada, {})) == (
        True,
        False,
        False,
    )


def test_arguments_that_do_not_fit_are_unfit() -> None:
    with pytest.raises(Unfit, match="amount"):
        case = Case(arguments=refund("1"), enriched={}, at=0.0)
        fitting(a_principal(), a_tool(), case, gateway())


_VALUES: st.SearchStrategy[Json] = st.one_of(
    st.integers(-5, 2000),
    st.sampled_from([999, 1000, 999.0, 1000.5, "1000", None, True, [], {}]),
    st.dictionaries(st.sampled_from(["__entity", "__extn", "a"]), st.integers(), max_size=1),
)
_ARGUMENTS = st.dictionaries(
    st.sampled_from(["customer", "amount", "note", "__expr", "more"]),
    st.one_of(_VALUES, st.just("c")),
    max_size=4,
)


@given(
    arguments=_ARGUMENTS | _VALUES.map(refund),
    name=st.sampled_from(["refund", "look", "sum", "nothing"]),
    subject=st.sampled_from(["ada", "eve"]),
    groups=st.sampled_from([(), ("finance",), ("agents", "finance")]),
)
def test_it_is_true_exactly_where_the_call_itself_goes_through(
    arguments: dict[str, Json], name: str, subject: str, groups: tuple[str, ...]
) -> None:
    principal = principal_of(
        Subject(type="user", id=subject, properties={"groups": list(groups)}), {}
    )
    called = a_gateway(
        policies=POLICIES, tools=TOOLS, authenticator=FakeAuthenticator(anonymous=principal)
    )
    call = a_call(requested_name=f"shop___{name}", arguments=arguments)

    outcome = asyncio.run(govern(call, called, FakeCaller()))

    assert decided(arguments, name, groups, subject)["decision"] is not outcome.is_refused
