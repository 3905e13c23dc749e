"""Interceptors take away from lists and describe what is in them; they add nothing."""

import asyncio
from typing import Any

import msgspec
import pytest

from callgate.pipeline.attaching import Attachment
from callgate.pipeline.gateway import Gateway
from callgate.scrutiny import Decision, Listed, Passive
from fakes.agent import Agent
from fakes.calls import a_tool
from fakes.gateway import a_gateway
from fakes.store import FakeCallStore

TOOLS = (a_tool("shop", "refund"), a_tool("shop", "lookup"), a_tool("git", "log"))


class Hook(Passive):
    """One function for lists."""

    is_gentle = False

    def __init__(self, function: Any) -> None:
        self._function = function

    async def on_list(self, listed: Listed) -> Decision | None:
        return self._function(listed)  # type: ignore[no-any-return]


def gateway_with(function: Any, **more: Any) -> Gateway:
    at = Attachment(name="h", interceptor=Hook(function), phases=frozenset({"list"}), **more)
    return a_gateway(chain=(at,), tools=TOOLS)


def listed(gateway: Gateway, path: str = "/mcp") -> Any:
    return asyncio.run(Agent(gateway).modern("tools/list", None, path)).json


def names(gateway: Gateway, path: str = "/mcp") -> list[str]:
    return [tool["name"] for tool in listed(gateway, path)["result"]["tools"]]


def test_a_list_is_shown_as_it_would_be_and_may_lose_items() -> None:
    seen: list[Listed] = []

    def drop(view: Listed) -> Decision:
        seen.append(view)
        return Decision(items=[item for item in view.items if "refund" not in item["name"]])

    assert names(gateway_with(drop)) == ["shop___lookup", "git___log"]
    assert names(gateway_with(drop), "/mcp/shop") == ["lookup"]
    assert [view.targets for view in seen] == [("shop", "shop", "git"), ("shop", "shop")]
    assert seen[0].tool.method == "tools/list"


def test_what_is_shown_of_an_item_may_change() -> None:
    def describe(view: Listed) -> Decision:
        return Decision(items=[{**item, "description": "checked"} for item in view.items])

    tools = listed(gateway_with(describe))["result"]["tools"]
    assert [tool["description"] for tool in tools] == ["checked"] * 3


@pytest.mark.parametrize(
    "items",
    [
        [{"name": "new"}],
        [{"name": "git___log"}, {"name": "git___log"}],
        "all",
        [5],
    ],
)
def test_an_item_that_was_not_there_is_a_failure_and_nothing_is_listed(items: Any) -> None:
    answer = listed(gateway_with(lambda _: Decision(items=items)))

    assert answer["error"]["data"]["callgate/refusal"]["code"] == "interceptor_failed"


def test_only_the_items_of_its_targets_are_shown_to_it() -> None:
    gateway = gateway_with(lambda view: Decision(items=[]), targets=frozenset({"shop"}))

    assert names(gateway) == ["git___log"]


def test_a_list_can_be_withheld_and_that_is_recorded() -> None:
    gateway = gateway_with(lambda _: Decision(withhold="Not now."))

    error = listed(gateway)["error"]

    assert error["message"] == "Not now."
    store = gateway.store
    assert isinstance(store, FakeCallStore)
    body = msgspec.json.decode(store.entries[-1].body)
    assert (body["code"], body["changes"][0]["action"]) == ("result_withheld", "withheld")


def test_one_that_observes_leaves_the_list_alone() -> None:
    gateway = gateway_with(lambda _: Decision(items=[]), is_observing=True)

    assert len(names(gateway)) == 3


def test_one_that_fails_and_may_leaves_the_list_alone() -> None:
    def fail(_: Any) -> None:
        raise RuntimeError

    assert len(names(gateway_with(fail, may_fail=True))) == 3
    assert "error" in listed(gateway_with(fail))
