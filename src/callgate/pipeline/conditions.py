"""When an interceptor is asked: a condition in Cedar over the principal, the tool and arguments."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.model import Call
from callgate.policy.answers import NO_PERMIT
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import PolicyError, read_policies
from callgate.ports import Clock


class CedarCondition:
    """Implements Condition: what would stand in `when { … }` of a policy."""

    def __init__(
        self,
        text: str,
        names: Names,
        clock: Clock,
        enrichments: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        """Raises PolicyError where the text is not one condition."""
        policy = f"permit (principal, action, resource)\nwhen {{\n{text}\n}};"
        found = read_policies([("when", policy)])
        if len(found) != 1 or len(found[0].est["conditions"]) != 1:
            raise PolicyError("when", "must be one condition, as it stands in `when { … }`")
        self._engine = Engine(found, names, enrichments)
        self._clock = clock

    def holds(self, call: Call) -> bool:
        """Whether it holds. Where that cannot be said, such as of an argument that the tool does
        not have, it holds: who wants scrutiny gets it.
        """
        assert call.principal is not None and call.tool is not None  # noqa: S101 - stage order
        verdict = self._engine.authorize(
            Question(
                principal=call.principal,
                tool=call.tool,
                arguments=call.arguments,
                enriched=call.enriched,
                now=self._clock.now(),
            )
        )
        return verdict.is_permitted or verdict.reason != NO_PERMIT
