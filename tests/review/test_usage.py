"""What is used is counted, and held against everything that is permitted now."""

from __future__ import annotations

from typing import Any

from callgate.policy.decisions import tool
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from callgate.review.usage import Counting, Usage
from fakes.calls import a_principal

POLICIES = """
@id("support") permit(principal in Callgate::Group::"support",
  action in [Callgate::Action::"shop___get", Callgate::Action::"shop___refund"], resource);
@id("leads") permit(principal in Callgate::Group::"leads", action, resource);
@id("large") forbid(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input has amount && context.input.amount > 100 };
@id("auditors") permit(principal, action == Callgate::Action::"shop___delete", resource)
when { principal.hasTag("role") && principal.getTag("role") == "auditor" };
@id("watch") @mode("shadow") forbid(principal, action, resource);
"""
ENGINE = Engine(read_policies([("p.cedar", POLICIES)]), Names())
AMOUNT = {"type": "object", "properties": {"amount": {"type": "integer"}}}
TOOLS = (tool("shop___get"), tool("shop___refund", AMOUNT), tool("shop___delete"))
SAM: dict[str, Any] = {"id": "sam", "issuer": "https://idp", "kind": "jwt", "groups": ["support"], "agent": None, "tenant": None}  # fmt: skip


def call(name: str, day: int, *policies: str, **more: Any) -> dict[str, Any]:
    return {
        "call": f"c{day}",
        "format": 2,
        "received_at": f"2026-09-{day:02}T10:00:00.000000Z",
        "principal": SAM,
        "target": "shop",
        "tool": name,
        "ran": "yes",
        "decision": {"policies": list(policies)},
        **more,
    }


def usage(*calls: dict[str, Any], principals: Any = (), described: Any = None) -> Usage:
    counting = Counting()
    for one in calls:
        counting.add(one)
    return counting.against(ENGINE, TOOLS, principals, 0.0, (described or {}).get)


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


def of(digest: str) -> dict[str, Any]:
    return {"principal": {**SAM, "claims_sha256": digest}}


CLERK, AUDITOR = {"claims": {"role": "clerk"}}, {"claims": {"role": "auditor"}}


def test_who_is_known_from_calls_has_the_claims_of_the_last_one() -> None:
    described = {"principal:a": AUDITOR, "principal:c": CLERK}
    (before,) = usage(call("get", 3, **of("a")), call("get", 4, **of("c")), described=described).principals  # fmt: skip
    (after,) = usage(call("get", 3, **of("c")), call("get", 4, **of("a")), described=described).principals  # fmt: skip

    assert before.may == ["shop___get", "shop___refund"]
    assert after.may == ["shop___get", "shop___refund", "shop___delete"]
    assert after.unused == ["shop___refund", "shop___delete"]
    assert (after.unclear, after.lacks) == ([], "")


def test_claims_that_only_a_token_had_are_there_too() -> None:
    said = {"principal": {**SAM, "token": {"role": "auditor"}}}

    assert usage(call("get", 3, **said)).principals[0].may[-1] == "shop___delete"


def test_where_claims_that_are_not_known_decide_nothing_is_said() -> None:
    lost = {"principal:a": {"erased": True}}
    (erased,) = usage(call("get", 3, **of("a")), described=lost).principals
    (missing,) = usage(call("get", 3, **of("a"))).principals
    (old,) = usage(call("get", 3, format=1)).principals

    assert erased.may == missing.may == old.may == ["shop___get", "shop___refund"]
    assert erased.unclear == missing.unclear == old.unclear == ["shop___delete"]
    assert erased.lacks == "its claims were erased"
    assert missing.lacks == "its claims are not in the record"
    assert old.lacks == "its claims were not recorded"


def test_where_claims_do_not_matter_it_does_not_matter_that_they_are_lost() -> None:
    lead = {"principal": {**SAM, "groups": ["support"], "claims_sha256": "a"}}
    counting = Counting()
    counting.add(call("get", 3, **lead))
    (found,) = counting.against(ENGINE, TOOLS[:2], (), 0.0, lambda _: None).principals

    assert (found.unclear, found.lacks) == ([], "")


def test_several_keys_of_one_principal_are_looked_at_together() -> None:
    keys = [a_principal("sam", claims={"role": role}) for role in ("auditor", "clerk")]

    assert usage(*CALLS, principals=keys).principals[0].may == ["shop___delete"]


def test_erased_calls_are_counted_apart() -> None:
    left = {"call": "c9", "at": "2026-08-01T10:00:00.000000Z", "code": "ok", "erased": True}
    found = usage(call("get", 5), {**left, "ran": None}, call("get", 3))

    assert (found.calls, found.erased) == (2, 1)
    assert found.first_at[:10] == "2026-09-03"
    assert found.former_tools == []
