"""Lists hold just what could be used, under the names of the route."""

import asyncio
import json
from typing import Any

import pytest

from callgate.model import Features, Ran, Reply
from callgate.pipeline.gateway import Gateway
from callgate.ports import Caller, TargetError, TargetRequest
from fakes.agent import Agent
from fakes.calls import a_tool
from fakes.gateway import PERMIT, a_gateway
from fakes.store import FakeCallStore
from fakes.target import FakeCatalog, FakeConnector

ITEMS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "resources/list": ("resources", [{"uri": "demo://a", "x": 1}, {"uri": "demo://secret"}]),
    "resources/templates/list": ("resourceTemplates", [{"uriTemplate": "demo://{id}"}]),
    "prompts/list": ("prompts", [{"name": "review"}, {"name": "secret"}]),
}
CAPABILITIES: dict[str, Any] = {"resources": {}, "prompts": {}}
NO_SECRETS = (
    PERMIT
    + """
@id("no-secret-resources")
forbid(principal, action in Callgate::Action::"resources/read", resource)
when { context.input.uri like "*secret*" };
@id("no-secret-prompts")
forbid(principal, action in Callgate::Action::"prompts/get", resource)
when { context.input.name == "secret" };
"""
)


async def lists(request: TargetRequest, _caller: Caller) -> Reply:
    name, items = ITEMS[request.tool.method]
    params = json.loads(request.params)
    page = int(params.get("cursor", "0"))
    body: dict[str, Any] = {name: items[page : page + 1], "ttlMs": 1000 * (page + 1)}
    if page + 1 < len(items):
        body["nextCursor"] = str(page + 1)
    return Reply(body=json.dumps(body).encode())


def a_target(name: str = "shop", **more: Any) -> FakeConnector:
    return FakeConnector(name, answer=lists, said=Features(capabilities=CAPABILITIES), **more)


def gateway_with(*connectors: FakeConnector, **more: Any) -> Gateway:
    tools = [a_tool(target=connector.name) for connector in connectors]
    return a_gateway(catalog=FakeCatalog(tools, *connectors), **more)


def listed(
    gateway: Gateway, method: str, path: str = "/mcp", params: dict[str, Any] | None = None
) -> Any:
    return asyncio.run(Agent(gateway).modern(method, params, path)).json


def test_a_targets_own_route_keeps_its_names_and_its_pages() -> None:
    gateway = gateway_with(a_target())

    first = listed(gateway, "resources/list", "/mcp/shop")["result"]
    second = listed(gateway, "resources/list", "/mcp/shop", {"cursor": "1"})["result"]

    assert first["resources"] == [{"uri": "demo://a", "x": 1}]
    assert first["nextCursor"] == "1"
    assert (first["ttlMs"], first["cacheScope"], first["resultType"]) == (
        1000,
        "private",
        "complete",
    )
    assert second["resources"] == [{"uri": "demo://secret"}]
    assert "nextCursor" not in second


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("resources/list", ["shop+demo://a", "shop+demo://secret"]),
        ("resources/templates/list", ["shop+demo://{id}"]),
        ("prompts/list", ["shop___review", "shop___secret"]),
    ],
)
def test_the_aggregated_route_has_all_of_all_targets(method: str, names: list[str]) -> None:
    gateway = gateway_with(a_target("shop"), a_target("bank"))

    result = listed(gateway, method)["result"]

    items = result[ITEMS[method][0]]
    shown = [item.get("uri") or item.get("uriTemplate") or item["name"] for item in items]
    assert shown == names + [name.replace("shop", "bank") for name in names]
    assert result["ttlMs"] == 1000


def test_what_could_not_be_used_is_not_listed() -> None:
    gateway = gateway_with(a_target(), policies=NO_SECRETS)

    resources = listed(gateway, "resources/list")["result"]["resources"]
    prompts = listed(gateway, "prompts/list")["result"]["prompts"]

    assert resources == [{"uri": "shop+demo://a", "x": 1}]
    assert prompts == [{"name": "shop___review"}]


@pytest.mark.parametrize("method", [*ITEMS, "tools/list"])
def test_forbidding_a_list_empties_it(method: str) -> None:
    forbid = f'@id("f") forbid(principal, action in Callgate::Action::"{method}", resource);'
    connector = a_target()
    gateway = gateway_with(connector, policies=PERMIT + forbid)

    result = listed(gateway, method, "/mcp/shop")["result"]

    assert result[ITEMS[method][0] if method in ITEMS else "tools"] == []
    assert connector.asked == []


@pytest.mark.parametrize("method", ITEMS)
def test_who_may_use_nothing_is_shown_nothing_and_no_target_is_asked(method: str) -> None:
    connector = a_target()
    tools_only = 'permit(principal, action in Callgate::Action::"CallTool", resource);'

    result = listed(gateway_with(connector, policies=tools_only), method)["result"]

    assert result[ITEMS[method][0]] == []
    assert connector.asked == []


def test_a_target_that_is_down_is_left_out_and_said_so() -> None:
    down = a_target("bank", error=TargetError("target_lost", "gone", ran=Ran.UNKNOWN))
    gateway = gateway_with(a_target("shop"), down)

    result = listed(gateway, "prompts/list")["result"]
    alone = listed(gateway, "prompts/list", "/mcp/bank")

    assert [prompt["name"] for prompt in result["prompts"]] == ["shop___review", "shop___secret"]
    assert result["_meta"] == {"callgate/unavailable": ["bank"]}
    assert alone["error"]["data"]["callgate/refusal"]["code"] == "target_lost"


def test_an_error_of_the_target_is_passed_on() -> None:
    async def turned_down(_request: TargetRequest, _caller: Caller) -> Reply:
        return Reply(body=b'{"code":-32602,"message":"bad cursor"}', is_error=True)

    connector = FakeConnector(answer=turned_down, said=Features(capabilities=CAPABILITIES))
    response = asyncio.run(Agent(gateway_with(connector)).modern("prompts/list", None, "/mcp/shop"))

    assert (response.status, response.json["error"]["message"]) == (400, "bad cursor")


@pytest.mark.parametrize(
    "body", [b'{"resources":{}}', b"{}", b'{"prompts":[]}', b'{"resources":null}']
)
def test_a_list_that_is_none_is_the_targets_fault(body: bytes) -> None:
    async def lies(_request: TargetRequest, _caller: Caller) -> Reply:
        return Reply(body=body)

    connector = FakeConnector(answer=lies, said=Features(capabilities=CAPABILITIES))
    said = listed(gateway_with(connector), "resources/list", "/mcp/shop")

    assert said["error"]["data"]["callgate/refusal"]["code"] == "target_protocol_error"


@pytest.mark.parametrize(("path", "cursor"), [("/mcp", "1"), ("/mcp/shop", 5), ("/mcp", 5)])
def test_a_cursor_that_cannot_be_is_refused(path: str, cursor: Any) -> None:
    connector = a_target()

    said = listed(gateway_with(connector), "prompts/list", path, {"cursor": cursor})

    assert said["error"]["code"] in (-32602, -32603)
    assert connector.asked == []


def test_lists_are_on_record() -> None:
    gateway = gateway_with(a_target())
    for method in ("tools/list", "prompts/list"):
        listed(gateway, method)

    store = gateway.store
    assert isinstance(store, FakeCallStore)
    assert {(entry.kind, entry.tool, entry.code) for entry in store.entries} == {
        ("outcome", "tools/list", "ok"),
        ("outcome", "prompts/list", "ok"),
    }
