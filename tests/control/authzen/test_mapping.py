"""A subject is a principal; an action on a resource is a use of a tool."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.control.authzen.mapping import (
    Place,
    Unknown,
    enriched_of,
    instant_of,
    place_of,
    principal_of,
    tool_at,
)
from callgate.control.authzen.reading import Action, Resource, Subject, Unclear
from callgate.model import Json, Principal, Tool
from callgate.protocol.methods import method_tool
from fakes.calls import a_tool
from fakes.gateway import a_gateway


def a_subject(of_type: str = "user", **properties: Json) -> Subject:
    return Subject(type=of_type, id="ada", properties=properties)


def test_properties_are_claims_and_some_of_them_are_read_besides() -> None:
    claims: dict[str, Json] = {
        "groups": ["finance", "agents"],
        "tenant": "acme",
        "agent": "helper",
        "iss": "https://idp",
        "role": "admin",
        "level": 3,
    }

    assert principal_of(a_subject(**claims), {}) == Principal(
        id="ada",
        issuer="https://idp",
        kind="jwt",
        claims=claims,
        groups=("finance", "agents"),
        tenant="acme",
        agent="helper",
    )


@pytest.mark.parametrize(
    ("of_type", "kind"), [("user", "jwt"), ("identity", "jwt"), ("anonymous", "anonymous")]
)
def test_the_type_says_what_kind_of_principal_it_is(of_type: str, kind: str) -> None:
    assert principal_of(a_subject(of_type), {}) == Principal(id="ada", issuer="", kind=kind)


def test_the_agent_may_stand_in_the_context_as_coaz_has_it() -> None:
    assert principal_of(a_subject(), {"agent": "helper"}).agent == "helper"
    assert principal_of(a_subject(agent="helper"), {"agent": "helper"}).agent == "helper"
    with pytest.raises(Unclear, match="are not the same"):
        principal_of(a_subject(agent="other"), {"agent": "helper"})


def test_equal_subjects_are_one_principal_so_that_plans_for_it_are_kept() -> None:
    one = principal_of(a_subject(groups=["a"], role="x"), {})
    same = principal_of(a_subject(role="x", groups=["a"]), {})
    other = principal_of(a_subject(groups=["a"], role="y"), {})

    assert (one is same, one is other) == (True, False)


def test_a_subject_that_would_fill_the_memory_is_refused() -> None:
    assert principal_of(a_subject(more="x" * 16_000), {})
    with pytest.raises(Unclear, match="larger than 16384 bytes"):
        principal_of(a_subject(more="x" * 16_384), {})


def test_another_type_of_subject_is_unknown_here() -> None:
    with pytest.raises(Unknown, match="'robot' here; there are user, identity, anonymous"):
        principal_of(a_subject("robot"), {})


@pytest.mark.parametrize(
    "properties",
    [
        {"groups": "finance"},
        {"groups": [1]},
        {"groups": None},
        {"tenant": 1},
        {"agent": []},
        {"issuer": {}},
    ],
)
def test_a_property_that_is_read_has_its_type(properties: dict[str, Json]) -> None:
    with pytest.raises(Unclear, match="must be"):
        principal_of(a_subject(**properties), {})


def place(action: Action, of_type: str, identifier: str, **properties: Json) -> Place:
    resource = Resource(type=of_type, id=identifier, properties=properties)
    return place_of(action, resource, a_gateway())


ARGUMENTS = {"amount": 1}


@pytest.mark.parametrize(
    ("name", "of_type", "identifier", "target", "tool"),
    [
        ("shop___refund", "gateway", "main", "shop", "refund"),
        ("shop___a___b", "gateway", "main", "shop", "a___b"),
        ("shop___resources/read", "gateway", "main", "shop", "resources/read"),
        ("tools/call", "tool", "shop___refund", "shop", "refund"),
        ("refund", "mcp_server", "shop", "shop", "refund"),
        ("tools/list", "mcp_server", "shop", "shop", "tools/list"),
    ],
)
def test_an_action_on_a_resource_is_a_tool_with_the_actions_properties_as_arguments(
    name: str, of_type: str, identifier: str, target: str, tool: str
) -> None:
    given = place(Action(name=name, properties=ARGUMENTS), of_type, identifier, ignored=1)
    none = place(Action(name=name), of_type, identifier)

    assert given == Place(target=target, name=tool, arguments=ARGUMENTS)
    assert none == Place(target=target, name=tool, arguments=None)


def test_a_thing_of_a_target_is_an_argument_and_so_are_all_properties() -> None:
    action = Action(name="refund", properties={"amount": 1, "same": [1]})

    assert place(action, "shop", "o-7", customer="c", same=[1]) == Place(
        target="shop",
        name="refund",
        arguments={"id": "o-7", "customer": "c", "amount": 1, "same": [1]},
    )


@pytest.mark.parametrize(
    ("properties", "arguments"),
    [({"id": "o-8"}, {}), ({}, {"id": "o-8"}), ({"a": 1}, {"a": 2}), ({"a": 1}, {"a": "1"})],
)
def test_an_argument_with_two_values_is_refused(
    properties: dict[str, Json], arguments: dict[str, Json]
) -> None:
    with pytest.raises(Unclear, match="is given twice"):
        place(Action(name="refund", properties=arguments), "shop", "o-7", **properties)


@pytest.mark.parametrize(
    ("name", "of_type", "identifier"),
    [
        ("shop___refund", "gateway", "other"),
        ("refund", "gateway", "main"),
        ("read", "tool", "shop___refund"),
        ("tools/call", "tool", "refund"),
    ],
)
def test_what_is_not_of_that_form_is_unknown(name: str, of_type: str, identifier: str) -> None:
    with pytest.raises(Unknown):
        place(Action(name=name), of_type, identifier)


def found(target: str, name: str) -> Tool:
    return asyncio.run(tool_at(Place(target=target, name=name), a_gateway()))


def test_the_tool_is_the_one_of_the_catalogue_or_a_method_of_mcp() -> None:
    assert found("shop", "refund") == a_tool()
    assert found("shop", "resources/read") == method_tool("shop", "resources/read")


@pytest.mark.parametrize(
    ("target", "name"),
    [("shop", "nothing"), ("shop", "tools/call"), ("nowhere", "refund"), ("nowhere", "tools/list")],
)
def test_a_tool_that_is_not_there_is_unknown(target: str, name: str) -> None:
    with pytest.raises(Unknown):
        found(target, name)


def test_the_instant_is_the_one_of_the_context_else_now() -> None:
    gateway = a_gateway()

    assert instant_of({"time": "1985-10-26T01:22-07:00"}, gateway) == 499_162_920.0
    assert instant_of({}, gateway) == gateway.clock.now()


@pytest.mark.parametrize("time", ["soon", "", "2026-10-01T12:00:00", 1, "99999-01-01T00:00Z", []])
def test_an_instant_that_may_be_read_in_two_ways_is_refused(time: Any) -> None:
    with pytest.raises(Unclear, match=r"`context\.time` must be"):
        instant_of({"time": time}, a_gateway())


def test_what_interceptors_would_add_may_be_told() -> None:
    assert enriched_of({"enriched": {"risk": {"score": 3}}}) == {"risk": {"score": 3}}
    assert enriched_of({}) == {}
    wrongs: list[Json] = [[], "x", {"risk": 3}, None]
    for wrong in wrongs:
        with pytest.raises(Unclear, match=r"`context\.enriched` must be"):
            enriched_of({"enriched": wrong})
