"""Each way to choose by itself; all of them on real records: tests/contracts/test_records.py."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.audit.matching import matcher, method_of, reads_payload, trace_of, values_at
from callgate.audit.questions import Condition
from callgate.audit.record import rfc3339
from callgate.model import Json
from callgate.ports import CallFilter
from fakes.store import NOW

CALL: dict[str, Json] = {
    "call": "c1",
    "at": rfc3339(NOW),
    "principal": {"id": "ada", "agent": "helper", "tenant": "acme", "groups": ["ops", "staff"]},
    "target": "shop",
    "tool": "refund",
    "tool_sha256": "5" * 64,
    "session": "s1",
    "run": "r1",
    "traceparent": "00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "code": "not_permitted",
    "ran": "no",
    "delivered": False,
    "labels": ["secret"],
    "decision": {"policies": ["p1", "p2"], "reason": "forbidden by p1"},
    "changes": [{"interceptor": "redact", "labels": ["pii"]}, {"interceptor": "size"}],
    "arguments": {
        "amount": 500,
        "rate": 0.5,
        "is_new": True,
        "none": None,
        "memo": "Wire Transfer",
        "items": [{"sku": "a1", "n": 1}, {"sku": "b2", "n": 20}],
        "0": "zero",
    },
    "reason": "It is not to be.",
}


@pytest.mark.parametrize(
    ("chosen", "others"),
    [
        ({"principal": "ada"}, {"principal": "ad"}),
        ({"agent": "helper"}, {"agent": "Helper"}),
        ({"tenant": "acme"}, {"tenant": ""}),
        ({"target": "shop"}, {"target": "files"}),
        ({"tool": "refund"}, {"tool": "list"}),
        ({"tool": "shop___refund"}, {"tool": "files___refund"}),
        ({"tool": "shop___refund", "target": "shop"}, {"tool": "shop___refund", "target": "files"}),
        ({"tool_sha256": "5" * 64}, {"tool_sha256": "5" * 63}),
        ({"method": "tools/call"}, {"method": "tools/list"}),
        ({"code": "not_permitted"}, {"code": "ok"}),
        ({"is_refused": True}, {"ran": "yes"}),
        ({"ran": "no"}, {"ran": "unknown"}),
        ({"is_delivered": False}, {"is_delivered": True}),
        ({"run": "r1"}, {"run": "r"}),
        ({"session": "s1"}, {"session": "s2"}),
        ({"trace": "4bf92f3577b34da6a3ce929d0e0e4736"}, {"trace": "00f067aa0ba902b7"}),
        ({"policy": "p2"}, {"policy": "p3"}),
        ({"interceptor": "size"}, {"interceptor": "siz"}),
        ({"label": "pii"}, {"label": "none"}),
        ({"label": "secret"}, {"label": "Secret"}),
        ({"since": NOW}, {"since": NOW + 0.000001}),
        ({"until": NOW + 0.000001}, {"until": NOW}),
        ({"text": "wire"}, {"text": "refund"}),
        ({"principal": "ada", "code": "not_permitted"}, {"principal": "ada", "code": "ok"}),
    ],
)
def test_call_is_chosen_by_what_it_is(chosen: dict[str, Any], others: dict[str, Any]) -> None:
    assert matcher(CallFilter(**chosen))(CALL)
    assert not matcher(CallFilter(**others))(CALL)


@pytest.mark.parametrize(
    ("holds", "does_not"),
    [
        ("arguments.amount=500", "arguments.amount=501"),
        ("arguments.amount=500.0", 'arguments.amount="500"'),
        ("arguments.amount>=500", "arguments.amount>500"),
        ("arguments.amount<=500", "arguments.amount<500"),
        ("arguments.amount<500.5", "arguments.amount<z"),
        ("arguments.amount!=5", "arguments.amount!=500"),
        ("arguments.rate<1", "arguments.rate>1"),
        ("arguments.is_new=true", "arguments.is_new=1"),
        ("arguments.is_new!=1", "arguments.is_new>0"),
        ("arguments.none=null", "arguments.amount=null"),
        ("arguments.none", "arguments.nothing"),
        ("arguments.nothing!=5", "arguments.nothing=null"),
        ("arguments.memo~wire", "arguments.memo~wires"),
        ("arguments.memo=Wire Transfer", "arguments.memo=wire transfer"),
        ("arguments.memo>Wire", "arguments.memo<Wire"),
        ("arguments.items.sku=b2", "arguments.items.sku=c3"),
        ("arguments.items.*.n>19", "arguments.items.n>20"),
        ("arguments.items.1.sku=b2", "arguments.items.0.sku=b2"),
        ("arguments.items.n!=2", "arguments.items.n!=20"),
        ("arguments.0=zero", "arguments.items.7"),
        ("arguments.*=500", "arguments.*=5"),
        ("principal.groups=staff", "principal.groups=sta"),
        ("decision.policies=p1", "decision.policies.1=p1"),
        ("reason~NOT TO", "reason~yes"),
    ],
)
def test_condition_is_on_what_stands_at_a_path(holds: str, does_not: str) -> None:
    assert matcher(CallFilter(where=(Condition.parse(holds),)))(CALL)
    assert not matcher(CallFilter(where=(Condition.parse(does_not),)))(CALL)
    assert not matcher(CallFilter(where=(Condition.parse(holds), Condition.parse(does_not))))(CALL)


def test_call_of_nobody_that_has_not_ended_is_chosen_by_nothing_it_has_not() -> None:
    call: dict[str, Json] = {"call": "c2", "at": rfc3339(NOW), "code": None, "principal": None}
    assert matcher(CallFilter())(call)
    for name in ("principal", "agent", "tenant", "code", "ran", "policy", "label", "trace", "run"):
        chosen: dict[str, Any] = {name: "None"}
        assert not matcher(CallFilter(**chosen))(call)
    assert not matcher(CallFilter(is_refused=True))(call)
    assert not matcher(CallFilter(is_delivered=False))(call)


def test_lists_are_left_out_unless_they_are_meant() -> None:
    call = {**CALL, "tool": "tools/list", "method": "tools/list"}
    assert not matcher(CallFilter())(call)
    assert matcher(CallFilter(with_lists=True))(call)
    assert matcher(CallFilter(tool="tools/list"))(call)
    assert matcher(CallFilter(method="tools/list"))(call)
    assert not matcher(CallFilter(method="tools/list"))(CALL)


@pytest.mark.parametrize("said", [None, "", "garbage", 5])
def test_what_is_no_trace_is_none(said: Json) -> None:
    assert trace_of({"traceparent": said}) is None


def test_method_is_named_where_it_is_not_a_call_of_a_tool() -> None:
    assert method_of({"tool": "refund"}) == "tools/call"
    assert method_of({"tool": "tools/list"}) == "tools/list"
    assert method_of({"tool": "resources/read", "method": "resources/read"}) == "resources/read"


def test_payloads_are_read_only_for_what_is_in_them() -> None:
    assert reads_payload(CallFilter(text="wire"))
    for path, reads in (("arguments.x", True), ("content", True), ("*.x", True), ("code", False)):
        assert reads_payload(CallFilter(where=(Condition.parse(f"{path}=1"),))) is reads
    assert not reads_payload(CallFilter(principal="ada"))


def test_values_within_values_are_all_found() -> None:
    value: Json = {"a": [[{"b": 1}], {"b": [2, 3]}], "b": 4}
    assert list(values_at(value, ("a", "b"))) == [1, 2, 3]
    assert list(values_at(value, ("a", "1", "b", "0"))) == [2]
    assert list(values_at(value, ("*", "b"))) == [1, 2, 3]
    assert list(values_at(value, ("b", "c"))) == []
