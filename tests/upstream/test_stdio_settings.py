"""What a program needs to be a target is checked where it is written."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.upstream.stdio_settings import StdioTargetSettings


@pytest.mark.parametrize(
    "settings",
    [
        {"command": []},
        {"command": ""},
        {"command": "unclosed 'quote"},
        {"command": ["a\0b"]},
        {"command": "x", "env": {"A=B": "c"}},
        {"command": "x", "share": "everyone"},
        {"command": "x", "args": ["y"]},
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        StdioTargetSettings(**settings)


def test_a_command_may_be_one_string() -> None:
    settings = StdioTargetSettings.model_validate({"command": "uvx 'my server' --flag"})
    assert settings.command == ["uvx", "my server", "--flag"]
