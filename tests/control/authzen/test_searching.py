"""A search finds what an evaluation permits, among what the gateway knows."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callgate.audit.principals import Recalled, kept_back
from callgate.control.authzen.deciding import decide
from callgate.control.authzen.reading import (
    Action,
    ActionSearch,
    Evaluation,
    Kind,
    Resource,
    ResourceSearch,
    Subject,
    SubjectSearch,
)
from callgate.control.authzen.searching import Sought, actions, resources, subjects
from callgate.model import Json, Principal, Tool
from callgate.pipeline.gateway import Gateway
from callgate.protocol.methods import METHODS
from fakes.calls import a_principal, a_tool
from fakes.gateway import a_gateway

POLICIES = """
@id("finance") permit (
    principal in Callgate::Group::"finance",
    action in [Callgate::Action::"shop___refund", Callgate::Action::"shop___look"],
    resource
);
@id("limit") forbid (principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount >= 1000 };
@id("reads") permit (principal, action in Callgate::Action::"resources/read", resource);
"""
LOOK = a_tool(name="look", schema={"type": "object", "properties": {"id": {"const": "o-1"}}})
TOOLS: tuple[Tool, ...] = (a_tool(), LOOK, a_tool("files", "list"))
ADA = a_principal("ada", "finance", claims={"role": "x"}, tenant="acme", agent="helper")
BOB = a_principal("bob", issuer="")
NOBODY = a_principal("anonymous", "finance", kind="anonymous", issuer="callgate")
ASKS = Subject(type="user", id="ada", properties={"groups": ["finance"]})


def gateway() -> Gateway:
    return a_gateway(policies=POLICIES, tools=TOOLS)


def who(of_type: str, action: Action, resource: Resource) -> Sought:
    asked = SubjectSearch(subject=Kind(type=of_type), action=action, resource=resource)
    known = [Recalled(principal=one) for one in (BOB, NOBODY, ADA)]
    return asyncio.run(subjects(asked, gateway(), known))


def on_what(of_type: str, action: Action, subject: Subject = ASKS) -> list[Any]:
    asked = ResourceSearch(subject=subject, action=action, resource=Kind(type=of_type))
    return [one["id"] for one in asyncio.run(resources(asked, gateway())).results]


def what(resource: Resource, subject: Subject = ASKS) -> list[Any]:
    asked = ActionSearch(subject=subject, resource=resource)
    return [one["name"] for one in asyncio.run(actions(asked, gateway())).results]


REFUND = Resource(type="tool", id="shop___refund")
CALL = Action(name="tools/call")
OWN = Resource(type="gateway", id="main")


def refund(amount: int) -> Action:
    return Action(name="tools/call", properties={"customer": "c", "amount": amount})


def test_subjects_whose_claims_are_not_told_are_found_where_claims_cannot_decide() -> None:
    unless = """
@id("role") forbid (principal, action == Callgate::Action::"shop___refund", resource)
when { principal.hasTag("role") && principal.getTag("role") == "x" };
"""
    known = [kept_back(Recalled(principal=one)) for one in (BOB, ADA)]
    places = [REFUND, Resource(type="tool", id="shop___look")]
    guarded = a_gateway(policies=POLICIES + unless, tools=TOOLS)
    asked = [SubjectSearch(subject=Kind(type="user"), action=CALL, resource=one) for one in places]
    refund, look = (asyncio.run(subjects(one, guarded, known)).results for one in asked)
    assert refund == ()  # it is forbidden to ada, and nobody here can know that
    assert look == (
        {
            "type": "user",
            "id": "ada",
            "properties": {
                "groups": ["finance"],
                "tenant": "acme",
                "agent": "helper",
                "issuer": ADA.issuer,
            },
        },
    )


def test_subjects_come_with_the_facts_that_lead_to_the_same_decision() -> None:
    assert who("user", CALL, REFUND) == Sought(
        results=(
            {
                "type": "user",
                "id": "ada",
                "properties": {
                    "role": "x",
                    "groups": ["finance"],
                    "tenant": "acme",
                    "agent": "helper",
                    "issuer": "https://idp",
                },
            },
        ),
        decided=2,
    )


def test_arguments_count_where_they_are_given() -> None:
    def found(amount: int) -> list[Any]:
        return [one["id"] for one in who("identity", refund(amount), REFUND).results]

    assert (found(999), found(1000), found(-1)) == (["ada"], [], [])


def test_anonymous_callers_are_a_type_of_their_own() -> None:
    assert [one["id"] for one in who("anonymous", CALL, REFUND).results] == ["anonymous"]
    assert who("robot", CALL, REFUND) == Sought()


def test_what_is_not_there_may_be_used_by_nobody() -> None:
    assert who("user", CALL, Resource(type="tool", id="shop___nothing")) == Sought()
    assert who("user", Action(name="read"), REFUND) == Sought()


def test_resources_are_the_tools_the_targets_and_the_gateway() -> None:
    assert on_what("tool", CALL) == ["shop___refund", "shop___look"]
    assert on_what("tool", refund(1)) == ["shop___refund", "shop___look"]
    assert on_what("tool", refund(1000)) == ["shop___look"]
    assert on_what("tool", Action(name="read")) == []
    assert on_what("mcp_server", Action(name="refund")) == ["shop"]
    assert on_what("mcp_server", Action(name="tools/list")) == ["shop", "files"]
    assert on_what("gateway", Action(name="shop___refund")) == ["main"]
    assert on_what("gateway", Action(name="files___list")) == []


def test_things_of_a_target_are_those_that_its_schema_lists() -> None:
    assert on_what("shop", Action(name="look")) == ["o-1"]
    assert on_what("shop", Action(name="refund")) == []
    assert on_what("shop", Action(name="nothing")) == []


def test_actions_are_tools_and_methods() -> None:
    lists = [name for name, method in METHODS.items() if method.is_list]

    assert what(REFUND) == ["tools/call"]
    assert what(Resource(type="tool", id="files___list")) == []
    assert [name for name in what(OWN) if "/" not in name] == ["shop___refund", "shop___look"]
    assert set(what(Resource(type="mcp_server", id="shop"))) == {
        "refund",
        "look",
        "resources/read",
        *lists,
    }
    assert what(Resource(type="shop", id="o-1")) == ["look"]
    assert what(Resource(type="mcp_server", id="nowhere")) == []


def test_a_subject_of_no_known_type_may_do_nothing() -> None:
    robot = Subject(type="robot", id="r2")

    assert (what(OWN, robot), on_what("tool", CALL, robot)) == ([], [])


_RESOURCES = [
    OWN,
    REFUND,
    Resource(type="mcp_server", id="shop"),
    Resource(type="shop", id="o-1"),
    Resource(type="shop", id="o-1", properties={"customer": "c", "amount": 5}),
]


@given(
    principal=st.sampled_from([ADA, BOB]),
    resource=st.sampled_from(_RESOURCES),
    amount=st.sampled_from([1, 1000]),
)
def test_what_is_found_with_arguments_is_permitted_when_it_is_asked_for(
    principal: Principal, resource: Resource, amount: int
) -> None:
    groups: list[Json] = list(principal.groups)
    subject = Subject(type="user", id=principal.id, properties={"groups": groups})
    arguments: dict[str, Json] = {"customer": "c", "amount": amount}

    for name in what(resource, subject):
        action = Action(name=name, properties=arguments)
        search = ResourceSearch(subject=subject, action=action, resource=Kind(type=resource.type))
        sought = asyncio.run(resources(search, gateway()))
        for one in sought.results:
            asked = Evaluation(
                subject=subject,
                action=action,
                resource=Resource(type=resource.type, id=one["id"]),
            )
            assert asyncio.run(decide(asked, gateway()))["decision"] is True
