"""How long what is kept is written as people say it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from callgate.audit.retaining import Rule
from callgate.audit.selecting import Selector
from callgate.storage.retention.settings import RetentionRule
from callgate.storage.settings import StoreSettings


def test_a_rule_says_what_it_is_of_and_for_how_long() -> None:
    said = {"class": "payloads", "keep": "30d", "target": "hr*"}
    rule = RetentionRule.model_validate(said)
    assert rule.rule == Rule(
        kept="payloads", seconds=30 * 86_400.0, selector=Selector(target="hr*")
    )
    assert rule.model_dump(exclude_none=True) == said


@pytest.mark.parametrize("keep", ["", "0d", "30", "30m", "-1d", "1.5d", "999999999y", "1001y"])
def test_an_age_that_is_none_is_refused(keep: str) -> None:
    with pytest.raises(ValidationError, match="such as 30d"):
        RetentionRule.model_validate({"class": "calls", "keep": keep})


@pytest.mark.parametrize(("keep", "hours"), [("1h", 1), ("2w", 336), ("1y", 8766)])
def test_ages_have_units(keep: str, hours: int) -> None:
    rule = RetentionRule.model_validate({"class": "calls", "keep": keep}).rule
    assert rule.seconds == hours * 3600


def test_the_store_keeps_everything_where_nothing_is_said() -> None:
    assert StoreSettings().retention == ()
    with pytest.raises(ValidationError):
        StoreSettings.model_validate({"retention": [{"class": "secrets", "keep": "1d"}]})
