"""The `mcp:` block: one server, reached one way."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.mcp_settings import McpSettings


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "name either `url` or `command`"),
        ({"url": "http://x", "command": "y"}, "name either `url` or `command`"),
        ({"url": "http://x", "env": {"A": "b"}}, "`env` goes with `command`"),
        ({"command": "x", "headers": {"a": "b"}}, "`headers` goes with `url`"),
        ({"command": []}, "at least 1 item"),
        ({"url": "http://x", "interceptors": {"a": {"priority_hint": 2**31}}}, "less than"),
        ({"url": "http://x", "interceptors": {"a": {"failopen": True}}}, "Extra inputs"),
        ({"url": "http://x", "interceptors": {"a": {"hooks": []}}}, "at least 1 item"),
    ],
)
def test_what_cannot_be_is_turned_down(said: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        McpSettings.model_validate(said)


def test_a_server_stands_as_a_target_would_with_its_secrets_only_there() -> None:
    http = McpSettings.model_validate({"url": "https://x/mcp", "headers": {"A": "s3cret"}})
    stdio = McpSettings.model_validate({"command": "a 'b c'", "env": {"T": "s3cret"}})

    assert http.target(7.0) == {
        "url": "https://x/mcp",
        "headers": {"A": "s3cret"},
        "connect_timeout_seconds": 5.0,
        "timeout_seconds": 7.0,
        "max_response_bytes": 16 << 20,
        "may_ask": [],
    }
    assert stdio.target(7.0) == {
        "command": ["a", "b c"],
        "env": {"T": "s3cret"},
        "cwd": Path(),
        "startup_timeout_seconds": 30.0,
        "timeout_seconds": 7.0,
        "max_response_bytes": 16 << 20,
        "may_ask": [],
    }
    assert "s3cret" not in repr(http) + repr(stdio)
