from typing import Any

import pytest
from pydantic import ValidationError

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.control.settings import ControlListenerSettings
from callgate.control.witness_settings import ActingSettings

LOG = SigningKey.generated("callgate.dev/00").verifier.text
WITNESS = SigningKey.generated("w", COSIGNATURE).verifier.text
ONE = {"origin": "callgate.dev/00/0", "keys": [LOG]}


def test_a_gateway_may_be_a_witness() -> None:
    said = ControlListenerSettings.model_validate(
        {"witness": {"key": "PRIVATE+KEY+geheim", "logs": [ONE]}}
    )

    assert said.witness is not None
    assert "geheim" not in repr(said)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"key": "k"}, "logs"),
        ({"key": "k", "logs": []}, "at least 1"),
        ({"logs": [ONE]}, "by reference, or"),
        ({"key": "k", "key_file": "f", "logs": [ONE]}, "by reference, or"),
        ({"key": "k", "logs": [ONE, ONE]}, "two logs"),
        ({"key": "k", "logs": [{"origin": "o", "keys": []}]}, "at least 1"),
        ({"key": "k", "logs": [{"origin": "o", "keys": [WITNESS]}]}, "key of a witness"),
        ({"key": "k", "logs": [{"origin": "o", "keys": ["x"]}]}, "form name"),
    ],
)
def test_half_a_witness_is_refused(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ActingSettings.model_validate(said)
