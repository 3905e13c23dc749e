"""What entries refer to by digest."""

from __future__ import annotations

from callgate.audit.definitions import PolicyText, World, policies_defined, tool_defined
from callgate.audit.record import content_of, indexed
from fakes.calls import a_tool
from fakes.store import NOW


def test_a_tool_is_defined_as_its_target_said_it() -> None:
    tool = a_tool(description="It refunds.")
    entry = tool_defined(tool, NOW)
    told = content_of(entry)

    assert indexed(entry.body, entry.payload) == entry
    assert (entry.call_id, entry.code) == (f"tool:{tool.digest}", "tool_defined")
    assert (told["target"], told["name"], told["method"]) == ("shop", "refund", "tools/call")
    assert told["definition"] == tool.definition


def test_policies_are_defined_with_all_that_they_were_read_with() -> None:
    world = World(namespace="N", gateway="main", mode="observe", facts={"geo": {"country": "text"}})
    text = PolicyText(
        id="p1", source="a.cedar", line=3, text="permit(principal, action, resource);"
    )
    entry = policies_defined("v1", [text], world, NOW)
    told = content_of(entry)

    assert indexed(entry.body, entry.payload) == entry
    assert (entry.call_id, entry.code) == ("policies:v1", "policies_defined")
    assert (told["version"], told["count"]) == ("v1", 1)
    assert told["policies"] == [{"id": "p1", "source": "a.cedar", "line": 3, "text": text.text}]
    assert {key: told[key] for key in ("namespace", "gateway", "mode", "enriches")} == {
        "namespace": "N",
        "gateway": "main",
        "mode": "observe",
        "enriches": {"geo": {"country": "text"}},
    }
