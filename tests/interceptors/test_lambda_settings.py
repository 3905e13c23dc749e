"""The `lambda:` block: here or elsewhere, in short or in full."""

from typing import Any

import jsonschema_rs
import pytest
from pydantic import ValidationError

from callgate.interceptors.lambda_settings import LambdaSettings
from callgate.interceptors.settings import InterceptorSettings

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:guard:live"


def test_the_short_form_names_a_handler() -> None:
    short = InterceptorSettings.model_validate({"name": "a", "lambda": "guard.py:handle"})
    full = InterceptorSettings.model_validate(
        {"name": "a", "lambda": {"handler": "guard.py:handle"}}
    )

    assert short == full
    assert (short.kind, short.of_kind) == ("lambda", LambdaSettings(handler="guard.py:handle"))


def test_editors_know_both_forms() -> None:
    schema = jsonschema_rs.validator_for(InterceptorSettings.model_json_schema())

    for said in ("dir/guard.py:handle", {"handler": "guard.py:handle"}, {"function": ARN}):
        assert schema.is_valid({"name": "a", "lambda": said})
    assert not schema.is_valid({"name": "a", "lambda": "guard"})
    assert not schema.is_valid({"name": "a", "lambda": {"handlr": "guard.py:handle"}})


def test_the_account_is_that_of_the_gateways_arn() -> None:
    arn = "arn:aws:bedrock-agentcore:eu-central-1:123456789012:gateway/refunds"

    assert LambdaSettings(handler="g.py:h", gateway_arn=arn).account == "123456789012"
    assert LambdaSettings(handler="g.py:h").account == "000000000000"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "name either"),
        ({"handler": "g.py:h", "function": "f"}, "name either"),
        ({"handler": "g:h"}, "pattern"),
        ({"handler": "g.py:h.x"}, "pattern"),
        ({"function": "f f"}, "pattern"),
        ({"function": "f", "endpoint": "http://lambda.example"}, "must be https"),
        ({"function": "f", "endpoint": "https://u:p@lambda.example"}, "user name"),
        ({"function": "f", "endpoint": "https://lambda.example/?q"}, "query"),
        ({"function": "f", "access_key_id": "a"}, "go together"),
        ({"function": "f", "secret_access_key": "a"}, "go together"),
        ({"handler": "g.py:h", "gateway_arn": "gateway"}, "pattern"),
        ({"handler": "g.py:h", "copies": 0}, "greater than"),
    ],
)
def test_settings_that_cannot_work_are_errors(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        LambdaSettings(**settings)
