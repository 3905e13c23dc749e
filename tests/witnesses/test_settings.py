from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.witnesses.settings import WebhookSettings, WitnessSettings

VKEY = SigningKey.generated("witness.example", COSIGNATURE).verifier.text
LOG_VKEY = SigningKey.generated("callgate.dev/00").verifier.text


@pytest.mark.parametrize(
    "said",
    [
        {"file": "seen.txt"},
        {"webhook": "https://hooks.example.com/x"},
        {"webhook": {"url": "http://127.0.0.1:9/x", "headers": {"Authorization": "x"}}},
        {"webhook": "https://hooks.example.com/x", "key": VKEY},
        {"tlog": "https://witness.example.com", "key": VKEY},
    ],
)
def test_a_witness_is_one_of_a_kind(said: dict[str, Any]) -> None:
    assert WitnessSettings(name="w1", **said).name == "w1"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({}, "exactly one of"),
        ({"file": "a", "webhook": "https://x.example"}, "exactly one of"),
        ({"tlog": "https://witness.example.com"}, "needs the `key`"),
        ({"file": "a", "key": VKEY}, "nothing else answers"),
        ({"tlog": "https://w.example", "key": LOG_VKEY}, "is the key of a log"),
        ({"tlog": "https://w.example", "key": "x"}, "form name"),
        ({"tlog": "http://w.example", "key": VKEY}, "must be https"),
        ({"webhook": "https://user:pass@w.example"}, "user name"),
        ({"webhook": "ftp://w.example"}, "https URL"),
        ({"webhook": "https://w.example:99999/"}, "ort"),
        ({"file": "a", "timeout_seconds": 0}, "greater than 0"),
    ],
)
def test_what_is_no_witness_is_refused(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        WitnessSettings(name="w1", **said)


@pytest.mark.parametrize("name", ["", "a b", "../x", "-x", "x" * 65])
def test_a_name_can_stand_in_metrics(name: str) -> None:
    with pytest.raises(ValidationError):
        WitnessSettings(name=name, file=Path("a"))


def test_headers_do_not_show_themselves() -> None:
    said = WebhookSettings.model_validate(
        {"url": "https://x.example", "headers": {"Authorization": "Bearer geheim"}}
    )

    assert "geheim" not in repr(said)
