"""Every method of MCP that is governed is one thing that policy can see."""

from __future__ import annotations

import jsonschema_rs
import pytest

from callgate.model import NOTHING
from callgate.protocol.definitions import digest
from callgate.protocol.methods import ASKED, METHODS, method_tool, widest_offer


@pytest.mark.parametrize("name", METHODS)
def test_a_method_can_be_used_like_a_tool(name: str) -> None:
    tool = method_tool("git", name)

    assert tool.qualified_name == f"git___{name}"
    assert tool.method == name
    assert tool.input_schema == METHODS[name].params
    assert tool.digest == digest(tool.definition)
    assert method_tool("git", name) is tool
    jsonschema_rs.validator_for(tool.input_schema)


def test_what_is_no_method_cannot_be_used() -> None:
    with pytest.raises(KeyError):
        method_tool("git", "initialize")


def test_the_item_of_a_method_is_among_its_required_params() -> None:
    for method in METHODS.values():
        assert method.item is None or method.item in method.params["required"]


def test_targets_ask_for_three_things() -> None:
    assert ASKED == ("elicitation/create", "sampling/createMessage", "roots/list")


def test_the_widest_offer_holds_all_that_may_be_asked_and_no_more() -> None:
    wide = widest_offer(["sampling", "elicitation"])

    assert wide.capabilities == {"elicitation": {"form": {}, "url": {}}, "sampling": {}}
    assert wide == widest_offer({"elicitation", "sampling"})
    assert wide.digest not in ("", widest_offer(["sampling"]).digest)
    assert widest_offer(()) is NOTHING
