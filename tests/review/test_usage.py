"""What is used is counted, and held against everything that is permitted now."""

from __future__ import annotations

from typing import Any

from callgate.policy.decisions import tool
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.review.usage import Counting, Usage, principal_of
from fakes.calls import a_principal

POLICIES = """
@id("support") permit(principal in Callgate::Group::"support",
  action in [Callgate::Action::"shop___get", Callgate::Action::"shop___refund"], resource);
@id("leads") permit(principal in Callgate::Group::"leads", action, resource);
@id("large") forbid(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input has amount && context.input.amount > 100 };
@id("watch") @mode("shadow") forbid(principal, action, resource);
"""
ENGINE = Engine(read_policies([("p.cedar", POLICIES)]), Names())
AMOUNT = {"type": "object", "properties": {"amount": {"type": "integer"}}}
TOOLS = (tool("shop___get"), tool("shop___refund", AMOUNT), tool("shop___delete"))
SAM: dict[str, Any] = {"id": "sam", "issuer": "https://idp", "kind": "jwt", "groups": ["support"], "agent": None, "tenant": None}  # fmt: skip


def call(name: str, day: int, *policies: str, **more: Any) -> dict[str, Any]:
    return {
        "call": f"c{day}",
        "received_at": f"2026-09-{day:02}T10:00:00.000000Z",
        "principal": SAM,
        "target": "shop",
        "tool": name,
        "ran": "yes",
        "decision": {"policies": list(policies)},
        **more,
    }


def usage(*calls: dict[str, Any], principals: Any = ()) -> Usage:
    counting = Counting()
    for one in calls:
        counting.add(one)
    return counting.against(ENGINE, TOOLS, principals, 0.0)


CALLS = (
    call("get", 3, "support"),
    call("get", 5, "support"),
    call("refund", 4, "large", ran="no"),
    call("old", 1, "gone"),
)


def test_tools_are_counted_and_those_never_called_stand_out() -> None:
    found = usage(*CALLS)

    assert (found.calls, found.first_at[:10], found.last_at[:10]) == (4, "2026-09-01", "2026-09-05")
    assert {name: use.calls for name, use in found.tools.items()} == {
        "shop___get": 2,
        "shop___refund": 1,
        "shop___delete": 0,
    }
    assert found.tools["shop___get"].last_at.startswith("2026-09-05")
    assert found.former_tools == ["shop___old"]


def test_policies_that_never_decided_and_where_they_never_did() -> None:
    found = {one.policy: one for one in usage(*CALLS).policies}

    assert found["support"].use.calls == 2
    assert found["support"].unused_tools == ["shop___refund"]
    assert found["leads"].is_unused
    assert found["leads"].unused_tools == ["shop___get", "shop___refund", "shop___delete"]
    assert not found["large"].unused_tools
    assert found["watch"].unused_tools == []
    assert usage(*CALLS).former_policies == ["gone"]


def test_rights_that_a_principal_never_used_are_told() -> None:
    lea = a_principal("lea", "leads")
    sam, other = usage(*CALLS, principals=[lea]).principals

    assert (sam.principal, sam.calls) == ("sam", 4)
    assert sam.may == ["shop___get", "shop___refund"]
    assert sam.unused == ["shop___refund"]  # it was refused there
    assert (other.principal, other.calls, len(other.unused)) == ("lea", 0, 3)


def test_a_principal_that_is_known_is_taken_with_its_claims() -> None:
    known = a_principal("sam", "support", claims={"role": "x"})

    assert len(usage(*CALLS, principals=[known]).principals) == 1


def test_calls_of_nobody_and_before_policy_are_counted_too() -> None:
    found = usage(call("get", 2, principal=None, decision=None))

    assert found.calls == 1
    assert found.principals == []
    assert principal_of({"id": "x"}).kind == "jwt"
