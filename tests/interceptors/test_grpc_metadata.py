"""What is told beside a call, and what may be said beside a decision."""

from typing import Any

import msgspec
import pytest

from callgate.interceptors.grpc_channel import GrpcError
from callgate.interceptors.grpc_messages import fill, messages
from callgate.interceptors.grpc_metadata import (
    facts_and_labels,
    headers_of,
    parsed,
    reason_of,
    told_of,
)
from callgate.interceptors.grpc_settings import GrpcSettings
from fakes.calls import a_principal
from fakes.intercepting import a_request

SETTINGS = GrpcSettings.model_validate(
    {"address": "h:1", "protocol": "ext_mcp", "facts": ["risk"], "labels": "marks"}
)


def wanted(**said: Any) -> dict[str, Any]:
    told = messages()["McpRequestResult"]()
    fill(told.metadata, said)
    return facts_and_labels(told.metadata, SETTINGS)


def test_who_calls_is_told_and_claims_may_be_left_out() -> None:
    principal = a_principal("ada", "ops", tenant="acme", agent="bot", claims={"sub": "ada"})
    view = msgspec.structs.replace(
        a_request(), principal=principal, run="a-secret-session", labels=("pii",)
    )
    told = told_of(view, omit=frozenset())

    session = told.pop("session")
    assert session and "a-secret-session" not in session
    assert told == {
        "call_id": "c1",
        "target": "shop",
        "tool": "refund",
        "labels": ["pii"],
        "principal": {
            "id": "ada",
            "issuer": "https://idp",
            "kind": "jwt",
            "groups": ["ops"],
            "tenant": "acme",
            "agent": "bot",
            "claims": {"sub": "ada"},
        },
    }
    assert "claims" not in told_of(view, omit=frozenset({"claims"}))["principal"]
    assert told_of(a_request(), omit=frozenset())["session"] == ""


def test_members_that_are_named_become_facts_and_labels_and_others_nothing() -> None:
    assert wanted(risk=7, marks=["a", "b"], other=True) == {
        "enrich": {"risk": 7},
        "labels": ("a", "b"),
    }
    assert wanted(risk=0.5, marks="a") == {"enrich": {"risk": 0.5}, "labels": ("a",)}
    assert wanted(other=1) == wanted() == {}


@pytest.mark.parametrize("marks", [5, [5], {"a": "b"}])
def test_labels_that_are_none_are_junk(marks: Any) -> None:
    with pytest.raises(GrpcError, match="labels"):
        wanted(marks=marks)


def test_headers_of_one_name_are_a_list() -> None:
    header = messages()["McpHeader"]
    told = [header(key="X-A", value=b"1"), header(key="x-a", value=b"2"), header(key="b")]

    assert headers_of(told) == {"x-a": "1, 2", "b": ""}
    with pytest.raises(GrpcError, match="not UTF-8"):
        headers_of([header(key="a", value=b"\xff")])


def test_a_reason_is_one_bounded_line() -> None:
    assert reason_of("", " \n", "a\tb\x1b", otherwise="x") == "a b"
    assert reason_of("", otherwise="x") == "x"
    assert len(reason_of("y" * 9999, otherwise="x")) == 500


def test_bytes_that_are_no_message_are_junk() -> None:
    with pytest.raises(GrpcError, match="is no CheckResponse"):
        parsed(messages()["CheckResponse"], b"\xff\xff\xff")
