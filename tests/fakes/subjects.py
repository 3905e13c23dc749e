"""Policy sets over a few tools, for tests of what policies mean."""

from __future__ import annotations

from typing import Any

from callgate.model import Tool
from callgate.policy.analysis.findings import Subject
from callgate.policy.source import read_policies
from fakes.calls import a_tool

PAYMENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "amount": {"type": "integer", "minimum": 0},
        "currency": {"type": "string", "enum": ["EUR", "USD"]},
        "note": {"type": "string"},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["amount", "currency"],
}

# Nobody knew whether 33 is a sum of three cubes until 2019; below 100,000 it is none.
_NUMBER = {"type": "integer", "minimum": -100_000, "maximum": 100_000}
CUBES = a_tool(
    schema={"type": "object", "properties": dict.fromkeys("abc", _NUMBER), "required": list("abc")}
)
IS_33 = " + ".join(f"context.input.{n} * context.input.{n} * context.input.{n}" for n in "abc")
IS_33 = f"{IS_33} == 33"


def a_payment(name: str = "refund", target: str = "shop") -> Tool:
    """A tool with an amount and a currency."""
    return a_tool(target, name, PAYMENT)


def a_subject(text: str, *tools: Tool, **more: Any) -> Subject:
    """The policies of a text; `permit` and `forbid` are short for those on shop___refund."""
    return Subject(
        policies=read_policies([("a.cedar", spelt_out(text))]),
        tools=tools or (a_payment(),),
        **more,
    )


def spelt_out(text: str) -> str:
    """`permit when { … };` with the scope that it is short for."""
    scope = '(principal, action == Callgate::Action::"shop___refund", resource)'
    for effect in ("permit", "forbid"):
        text = text.replace(f"{effect} when", f"{effect}{scope} when")
        text = text.replace(f"{effect};", f"{effect}{scope};")
    return text
