"""The `retention:` list of `store:`: how long what is kept."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator

from callgate.audit.retaining import Rule
from callgate.audit.selecting import Selector
from callgate.settings import Settings

UNITS = {"h": 3_600, "d": 86_400, "w": 604_800, "y": 31_557_600}
MAX_YEARS = 1_000
_AGE = re.compile(r"([1-9][0-9]{0,8})([hdwy])")

Pattern = Annotated[str, StringConstraints(min_length=1, max_length=500)]


class RetentionRule(Settings):
    """How long one class of content is kept. Of several rules the first that fits decides."""

    model_config = ConfigDict(serialize_by_alias=True)

    kept: Literal["payloads", "calls", "events"] = Field(alias="class")
    """`payloads`: arguments, facts and results. `calls`: all that the record says of a call; its
    hash, time and outcome code stay. `events`: what is recorded beside calls, such as logins and
    changes of the configuration; not what proofs and policies need."""

    keep: str
    """For how long: `12h`, `30d`, `8w`, `2y`."""

    target: Pattern | None = None
    """Only calls to this target; `*` stands for any characters, here and below."""

    tool: Pattern | None = None
    """Only calls of this tool."""

    principal: Pattern | None = None
    """Only calls of this principal."""

    @property
    def rule(self) -> Rule:
        """The same for who decides by it."""
        found = _AGE.fullmatch(self.keep)
        assert found is not None  # noqa: S101 - validated below
        selector = Selector(target=self.target, tool=self.tool, principal=self.principal)
        seconds = float(int(found[1]) * UNITS[found[2]])
        return Rule(kept=self.kept, seconds=seconds, selector=selector)

    @field_validator("keep")
    @classmethod
    def _is_an_age(cls, keep: str) -> str:
        found = _AGE.fullmatch(keep)
        if found is None or int(found[1]) * UNITS[found[2]] > MAX_YEARS * UNITS["y"]:
            raise ValueError("must be a number with h, d, w or y, such as 30d")
        return keep
