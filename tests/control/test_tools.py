"""/api/v1/tools."""

from __future__ import annotations

from fakes.calls import a_tool
from fakes.gateway import a_gateway
from fakes.operators import get


def test_every_tool_is_listed_with_the_definition_its_target_gave() -> None:
    tool = a_tool("shop", "refund", title="Refund", vendor={"x": 1})
    gateway = a_gateway(tools=(tool,))

    answered = get("/api/v1/tools", gateway=lambda: gateway)

    assert answered.json == {
        "version": "1",
        "tools": [
            {
                "target": "shop",
                "name": "refund",
                "qualified_name": "shop___refund",
                "sha256": tool.digest,
                "definition": tool.definition,
            }
        ],
    }


def test_before_there_is_a_catalogue_the_question_is_to_be_asked_again() -> None:
    assert get("/api/v1/tools", gateway=lambda: None).status == 503
