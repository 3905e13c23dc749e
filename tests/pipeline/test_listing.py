"""tools/list shows what could be used, and says of arguments as much as it is told to say."""

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from callgate.model import Call, Features, Outcome, Reply
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.pipeline.listing import PERMITTED, visible_items, visible_tools
from callgate.pipeline.locating import Route
from callgate.protocol.methods import method_tool
from callgate.scrutiny import Passive
from fakes.calls import a_call, a_principal, a_tool
from fakes.gateway import a_gateway
from fakes.target import FakeConnector

LIMIT = "permit(principal, action, resource) when { context.input.amount < 1000 };"
REFUND = a_tool()
SCHEMA = REFUND.input_schema
PERMITS = {"schema": {"properties": {"amount": {"maximum": 999}}}, "exact": True}
HERE = Route(target="shop", targets=("shop",))
ALL = Route(target=None, targets=("shop",))


def listed(gateway: Gateway, route: Route = HERE) -> tuple[list[Any], bool]:
    call: Call = a_call(method="tools/list", principal=a_principal("ada", "agents"))
    return asyncio.run(visible_tools(call, gateway, route))


def shown(gateway: Gateway, route: Route = HERE) -> list[Any]:
    return listed(gateway, route)[0]


def test_plain_lists_show_what_the_target_defined() -> None:
    gateway = a_gateway(policies=LIMIT)

    assert (shown(gateway))[0] is gateway.catalog.tools("shop")[0].definition
    assert shown(gateway, ALL) == [{**REFUND.definition, "name": "shop___refund"}]


def test_hints_stand_beside_the_tool_and_leave_its_schema_as_it_is() -> None:
    tool = a_tool(_meta={"own": 1})

    (definition,) = shown(a_gateway(policies=LIMIT, tools=(tool,), lists="hints"))

    assert definition == {**tool.definition, "_meta": {"own": 1, PERMITTED: PERMITS}}


def test_narrow_lists_meet_the_schema_with_what_is_permitted() -> None:
    (definition,) = shown(a_gateway(policies=LIMIT, lists="narrow"), ALL)

    properties = {
        **SCHEMA["properties"],
        "amount": {"type": "integer", "minimum": 0, "maximum": 999},
    }
    assert definition == {
        "name": "shop___refund",
        "inputSchema": {**SCHEMA, "properties": properties},
    }


@pytest.mark.parametrize("lists", ["hints", "narrow"])
def test_nothing_is_said_where_an_interceptor_may_change_the_arguments(lists: str) -> None:
    def attached(**more: Any) -> Attachment:
        return Attachment(name="a", interceptor=Passive(), phases=frozenset({"request"}), **more)

    def says(**more: Any) -> bool:
        gateway = a_gateway(policies=LIMIT, lists=lists, chain=(attached(**more),))
        return bool(shown(gateway)[0] != REFUND.definition)

    assert not says()
    assert says(is_observing=True)
    assert says(targets=frozenset({"other"}))


def test_of_tools_that_are_permitted_anyway_narrow_lists_say_nothing() -> None:
    permit = "permit(principal, action, resource);"

    assert shown(a_gateway(policies=permit, lists="narrow")) == [REFUND.definition]
    (definition,) = shown(a_gateway(policies=permit, lists="hints"))
    assert definition["_meta"] == {PERMITTED: {"schema": {}, "exact": True}}


def test_bounds_are_told_and_no_word_of_a_policy() -> None:
    text = '@id("secret-id") @reason("secret reason") ' + LIMIT.replace(
        "<", '< 5000 && principal.id != "secret-rival" && context.input.amount <'
    )

    (definition,) = shown(a_gateway(policies=text, lists="hints"))

    assert definition["_meta"] == {PERMITTED: PERMITS}
    assert "secret" not in str(definition)


def test_lists_that_time_changes_say_so() -> None:
    text = LIMIT.replace("when {", 'when { context.system.now < datetime("2100-01-01") &&')

    assert listed(a_gateway(policies=text)) == ([REFUND.definition], True)
    assert listed(a_gateway(policies=LIMIT)) == ([REFUND.definition], False)


def test_a_list_that_is_forbidden_for_a_time_is_empty_and_says_so() -> None:
    forbid = (
        'forbid(principal, action in Callgate::Action::"tools/list", resource) '
        'when { context.system.now < datetime("2100-01-01") };'
    )

    assert listed(a_gateway(policies=LIMIT + forbid)) == ([], True)


def test_a_list_that_cannot_be_read_leaves_out_its_target() -> None:
    async def ask(call: Call) -> Outcome:
        place = replace(call, tool=method_tool("shop", call.method))
        return Outcome(call=replace(place, reply=Reply(body=b'{"resources":[{"n":1e400}]}')))

    has_resources = Features(capabilities={"resources": {}})
    gateway = a_gateway(
        policies="permit(principal, action, resource);",
        connector=FakeConnector(said=has_resources),
    )
    call = a_call(method="resources/list", principal=a_principal("ada", "agents"), arguments={})

    page = asyncio.run(visible_items(call, gateway, ALL, ask))

    assert (page.items, page.unavailable) == ([], ("shop",))
