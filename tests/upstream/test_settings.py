import pytest
from pydantic import ValidationError

from callgate.upstream.mcp_http import HttpTargetSettings
from callgate.upstream.settings import McpTargetSettings


def test_a_target_may_ask_everything_unless_it_is_said_otherwise() -> None:
    assert McpTargetSettings().may_ask == {"elicitation", "sampling", "roots"}
    assert HttpTargetSettings(url="https://x/mcp", may_ask=frozenset()).may_ask == frozenset()


def test_what_no_target_can_ask_is_an_error() -> None:
    with pytest.raises(ValidationError):
        McpTargetSettings.model_validate({"may_ask": ["secrets"]})
