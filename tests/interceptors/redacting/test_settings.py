"""Settings that cannot be meant are refused with the fix."""

from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.redacting.settings import RedactSettings


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"patterns": {"bad": "(?=x)"}}, "bad: not an RE2 expression"),
        ({"find": ["names"]}, "email"),
        ({"rules": [{"kinds": ["ticket"], "mode": "mask"}]}, "no kind is named ticket; add it"),
        ({"rules": [{"paths": ["a["], "mode": "mask"}]}, "not a path"),
        ({"rules": [{"paths": ["a"]}]}, "mode"),
        ({"mode": "hide"}, "mask"),
        ({"key": "short"}, "at least 16"),
    ],
)
def test_what_is_wrong_is_named(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        RedactSettings(**settings)


def test_own_kinds_can_be_named_in_rules() -> None:
    settings = RedactSettings.model_validate(
        {"patterns": {"ticket": "T-1"}, "rules": [{"kinds": ["ticket", "opaque"], "mode": "drop"}]}
    )

    assert settings.uses("drop") and settings.uses("mask") and not settings.uses("hash")
