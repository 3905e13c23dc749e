from typing import Any

import pytest
from pydantic import ValidationError

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.config.witnesses import WitnessesSettings

KEY = SigningKey.generated("w", COSIGNATURE).verifier.text
FILE = {"name": "office", "file": "seen.txt"}
TLOG = {"name": "partner", "tlog": "https://w.example", "key": KEY}
BUCKET = {"name": "vault", "s3": {"bucket": "checkpoints", "lock": {"days": 3650}}}


def test_witnesses_of_every_kind_stand_beside_each_other() -> None:
    said = WitnessesSettings.model_validate({"quorum": 1, "show_to": [FILE, TLOG, BUCKET]})

    assert [one.name for one in said.show_to] == ["office", "partner", "vault"]
    assert said.show_to[2].s3 is not None
    assert said.show_to[2].s3.lock is not None
    assert said.show_to[2].s3.lock.mode == "compliance"


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"show_to": [FILE, FILE]}, "two have the name office"),
        ({"quorum": 1, "show_to": [FILE]}, "0 witnesses have a key"),
        ({"quorum": 2, "show_to": [TLOG]}, "1 witnesses have a key"),
        ({"show_to": [{**FILE, "s3": {"bucket": "checkpoints"}}]}, "exactly one of"),
        ({"show_to": [{**BUCKET, "key": KEY}]}, "nothing else answers"),
        ({"show_to": [{"name": "v", "s3": {"bucket": "abc", "lock": {"days": 0}}}]}, "greater"),
        ({"every_seconds": 0}, "greater"),
    ],
)
def test_what_does_not_fit_together_is_refused(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        WitnessesSettings.model_validate(said)
