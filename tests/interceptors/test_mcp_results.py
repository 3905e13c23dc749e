"""Answers of interceptors: read, or turned down as junk."""

from typing import Any

import pytest

from callgate.interceptors.mcp_descriptors import Found, McpError
from callgate.interceptors.mcp_results import Said, read_said

VALIDATOR = Found(name="v", is_mutator=False, hooks=())
MUTATOR = Found(name="m", is_mutator=True, hooks=())
SENT = {"a": 1}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"valid": True, "severity": "error"}, Said()),
        ({"valid": False}, Said(is_blocking=True, severity="error")),
        ({"valid": False, "severity": "dire"}, Said(is_blocking=True, severity="error")),
        ({"valid": False, "severity": "info"}, Said(severity="info")),
        (
            {"valid": False, "messages": [{"message": "a\n b\x1b[0m"}, {"message": "c"}]},
            Said(is_blocking=True, severity="error", told="a b [0m c"),
        ),
        ({"valid": True, "interceptor": "v", "type": "validation", "phase": "request"}, Said()),
    ],
)
def test_a_verdict_is_read(answer: Any, said: Said) -> None:
    assert read_said(answer, VALIDATOR, "request", SENT) == said


def test_what_is_told_is_bounded() -> None:
    many = [{"message": "x" * 1000}] * 1000
    said = read_said({"valid": False, "messages": many}, VALIDATOR, "request", SENT)

    assert len(said.told) == 300


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"modified": False}, Said()),
        ({"modified": False, "payload": {"a": 1}}, Said()),
        ({"modified": True, "payload": {"a": 1}}, Said(payload={"a": 1})),
        ({"modified": True, "payload": None}, Said(is_modified=True, payload=None)),
        ({"modified": True, "payload": {"a": 2}}, Said(is_modified=True, payload={"a": 2})),
        ({"modified": True, "payload": {"a": True}}, Said(is_modified=True, payload={"a": True})),
    ],
)
def test_a_payload_is_read(answer: Any, said: Said) -> None:
    assert read_said(answer, MUTATOR, "request", SENT) == said


@pytest.mark.parametrize(
    ("found", "answer", "words"),
    [
        (VALIDATOR, {}, "missing required field `valid`"),
        (VALIDATOR, [], "Expected `object`"),
        (VALIDATOR, {"valid": 1}, "Expected `bool`"),
        (VALIDATOR, {"modified": False}, "missing required field `valid`"),
        (VALIDATOR, {"valid": True, "interceptor": "w"}, "answered as 'w' where 'v'"),
        (VALIDATOR, {"valid": True, "type": "mutation"}, "'mutation' where 'validation'"),
        (VALIDATOR, {"valid": True, "phase": "response"}, "'response' where 'request'"),
        (VALIDATOR, {"valid": False, "messages": ["a"]}, "Expected `object`"),
        (MUTATOR, {"valid": True}, "missing required field `modified`"),
        (MUTATOR, {"modified": True}, "gives no payload"),
        (MUTATOR, {"modified": False, "payload": {"a": 2}}, "gives another payload"),
        (MUTATOR, {"modified": False, "payload": {"a": True}}, "gives another payload"),
    ],
)
def test_junk_is_turned_down(found: Found, answer: Any, words: str) -> None:
    with pytest.raises(McpError, match=words):
        read_said(answer, found, "request", SENT)
