"""Every tool of real servers, as it was captured, is typed so that Cedar holds its arguments."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cedarpy
import jsonschema_rs
import msgspec
import pytest

from callgate.policy.context import build, census
from callgate.policy.names import Names
from callgate.policy.schema import Kind, Shape, cedar_schema, context_shape, input_shape
from callgate.policy.source import read_policies
from callgate.policy.validation import Validator
from fakes.calls import a_tool
from fakes.cedar import decide, leaves, quoted, told, unseen
from fakes.schemas import First, value_of

CAPTURED = Path(__file__).parent.parent / "data" / "tools"
SERVERS = sorted(path.stem for path in CAPTURED.glob("*.json"))


def tools_of(server: str) -> list[dict[str, Any]]:
    document = msgspec.json.decode((CAPTURED / f"{server}.json").read_bytes())
    tools: list[dict[str, Any]] = document["tools"]
    return tools


def places(shape: Shape) -> Iterator[str]:
    """How each place of a tool's arguments is held: by type, by what its items have, or as text."""
    if shape.kind in (Kind.RECORD, Kind.UNION):
        for field in shape.fields.values():
            yield from places(field.shape)
    elif shape.kind is Kind.TEXT:
        yield "text" if shape.items is None else "text with items"
    else:
        yield shape.kind.value


@pytest.mark.parametrize("server", SERVERS)
def test_all_tools_of_a_server_make_one_schema_with_facts(server: str) -> None:
    tools = [a_tool(server, tool["name"], tool["inputSchema"]) for tool in tools_of(server)]
    schema = cedar_schema(
        Names(), [(tool, context_shape(input_shape(tool.input_schema), {})) for tool in tools]
    )

    cedarpy.Schema.from_json_str(msgspec.json.encode(schema).decode())


@pytest.mark.parametrize("is_full", [False, True], ids=["needed", "everything"])
@pytest.mark.parametrize("server", SERVERS)
def test_policies_read_every_argument_of_every_tool(server: str, is_full: bool) -> None:
    for tool in tools_of(server):
        schema = tool["inputSchema"]
        value = value_of(schema, schema, First(is_full=is_full))
        assert jsonschema_rs.validator_for(schema).is_valid(value), tool["name"]
        shape = input_shape(schema)
        whole = context_shape(shape, {})
        context = build(whole, shape, value, {}, 0.0)

        conditions = list(leaves(shape, value, "context.input"))
        conditions += [
            f"context.derived has {quoted(name)} && context.derived[{quoted(name)}].bytes >= 0"
            for name, field in shape.fields.items()
            if field.shape.kind is Kind.STRING and isinstance(value.get(name), str)
        ]
        assert decide(whole, context, conditions) == conditions, tool["name"]
        hidden = {at for at, _ in unseen(value, told(shape, context["input"]))}
        found = census(shape, value)
        # What is inside arrays of objects is in their text too.
        assert hidden == {at for at in (*found.extra, *found.nulls) if "[]" not in at}, tool["name"]


def test_the_policies_of_the_documentation_fit_the_tools_that_they_name() -> None:
    page = (CAPTURED.parents[2] / "docs" / "policy-types.md").read_text("utf-8")
    blocks = re.findall(r"^```cedar\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    policies = read_policies((f"block{n}", block) for n, block in enumerate(blocks))
    targets = {"files": "server-filesystem", "memory": "server-memory", "web": "mcp-server-fetch"}
    validator = Validator(Names())
    named: set[str] = set()
    for target, server in targets.items():
        for definition in tools_of(server):
            tool = a_tool(target, definition["name"], definition["inputSchema"])
            meant = [policy for policy in policies if tool.qualified_name in policy.actions]
            context = context_shape(input_shape(tool.input_schema), {})
            assert validator.invalid(tool, context, meant) == {}
            named.update(policy.id for policy in meant)

    assert named == {policy.id for policy in policies}


def test_nearly_all_places_have_a_type() -> None:
    """The figures of docs/policy-types.md."""
    found: Counter[str] = Counter()
    tools = [tool for server in SERVERS for tool in tools_of(server)]
    for tool in tools:
        found.update(places(input_shape(tool["inputSchema"])))

    assert (len(SERVERS), len(tools)) == (26, 552)
    assert found == {
        **{"string": 1619, "boolean": 322, "number": 190, "integer": 160, "array": 148},
        **{"text with items": 63, "text": 22},
    }
