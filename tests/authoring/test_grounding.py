from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callgate.authoring.grounding import (
    MAX_NAMES_CHARACTERS,
    MAX_TOOL_CHARACTERS,
    MAX_TOOLS_CHARACTERS,
    Ground,
    describe,
    describe_tool,
    relevant,
)
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_tool

POLICIES = """
@id("limit") permit(principal in Callgate::Group::"support", action, resource)
when { principal.hasTag("role") && principal.getTag("role") == "lead" };
@id("team") forbid(principal, action, resource)
unless { principal in Callgate::Group::"finance" && !principal.hasTag("blocked") };
"""


def a_ground(*tools: Any, **more: Any) -> Ground:
    return Ground(names=Names(), tools=tools or (a_tool(),), **more)


def test_a_tool_is_told_as_cedar_sees_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "amount": {"type": "integer"},
            "rate": {"type": "number"},
            "x-kind": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "mode": {"enum": ["slow", "fast"]},
            "place": {"type": "object", "properties": {"city": {"type": "string"}}},
        },
        "required": ["amount", "x-kind", "place"],
    }
    tool = a_tool(name="pay", schema=schema, description="Pays.\nNow.")

    assert describe_tool(a_ground(), tool).splitlines() == [
        'action Callgate::Action::"shop___pay"',
        '  described by its server as "Pays. Now."',
        "  context.input.amount: Long",
        "  context.input.rate: decimal, optional",
        '  context.input["x-kind"]: String, optional',
        "  context.input.tags: Set<String>, optional",
        '  context.input.mode: String, optional, one of "slow", "fast"',
        "  context.input.place: record",
        "  context.input.place.city: String, optional",
    ]


def test_what_policies_and_settings_know_is_told() -> None:
    text = describe(
        a_ground(
            policies=read_policies([("p", POLICIES)]),
            enrichments={"orders": {"days": "integer"}},
            targets={"shop": True},
            groups=("desk",),
        ),
        "refunds",
    )

    assert 'Targets (groups of actions): "shop"' in text
    assert 'Groups known here: "desk", "finance", "support"' in text
    assert 'Claims known here, as tags of the principal: "blocked", "role"' in text
    assert 'Ids of policies that are taken: "limit", "team"' in text
    assert "context.enriched.orders.days: Long, optional" in text
    assert "context.system.now: datetime" in text


def test_the_tools_that_a_text_is_about_come_first() -> None:
    tools = [a_tool(name=f"list_{n}", schema={}, description="List things.") for n in range(200)]
    tools.insert(150, a_tool(name="issueRefund", schema={}, description="Give money back."))
    tools.insert(170, a_tool(name="void", schema={}, description="Cancels an order."))

    def first(text: str) -> str:
        return relevant(tools, text)[0].name

    assert first("Only finance may approve refunds over 1000") == "issueRefund"
    assert first("Nobody cancels orders at night") == "void"
    assert first("Money is given back by people") == "issueRefund"


def test_hundreds_of_tools_stay_within_bounds_and_the_relevant_ones_are_in() -> None:
    wide = {
        "type": "object",
        "properties": {f"argument_{n}": {"type": "string"} for n in range(50)},
    }
    tools = [a_tool(name=f"tool_{n}", schema=wide, description="x" * 5000) for n in range(500)]
    tools.append(a_tool(name="refund", description="Refund a customer."))

    text = describe(a_ground(*tools), "Only finance may refund more than 1000")

    assert len(text) < MAX_TOOLS_CHARACTERS + MAX_NAMES_CHARACTERS + 15_000
    assert text.startswith('action Callgate::Action::"shop___refund"')
    assert 'Other tools, by name only: "shop___tool_' in text
    assert " more" in text


def test_a_tool_without_end_is_cut_at_a_line() -> None:
    endless = {"type": "object", "properties": {f"a{n}": {"type": "string"} for n in range(5000)}}

    text = describe_tool(a_ground(), a_tool(schema=endless))

    assert len(text) < MAX_TOOL_CHARACTERS + 50
    assert text.endswith("(more arguments)\n")


@given(st.text(), st.text(min_size=1), st.text())
def test_names_of_targets_cannot_leave_their_quotes(name: str, key: str, said: str) -> None:
    schema = {"type": "object", "properties": {key: {"enum": [said]}}}

    text = describe_tool(a_ground(), a_tool(name=name, schema=schema, description=said))

    lines = text.splitlines()
    assert lines[0].startswith('action Callgate::Action::"shop___')
    assert all(line.startswith("  ") for line in lines[1:])
