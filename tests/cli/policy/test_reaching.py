"""What becomes of calls, in one line."""

import pytest

from callgate.cli.policy.reaching import reachable_json, summary
from callgate.policy.account import Clause
from callgate.policy.reach import Reach, Reachable, Way


def a_way(effect: str, *texts: str) -> Way:
    clauses = tuple(
        Clause(number=1, kind="when", text=text, line=1, column=1, est={}) for text in texts
    )
    return Way(policy="p", source="s", line=1, effect=effect, who="everybody", clauses=clauses)


@pytest.mark.parametrize(
    ("reach", "permits", "forbids", "said"),
    [
        (Reach.PERMITTED, [()], [], "permitted"),
        (Reach.REFUSED, [], [], "refused: why"),
        (Reach.DEPENDS, [("a",), ("b", "c")], [], "permitted when a, or when b and c"),
        (Reach.DEPENDS, [("a",), ()], [("x\n > 1",)], "permitted; refused when x > 1"),
        (Reach.DEPENDS, [("a",), ("a",)], [], "permitted when a"),
    ],
)
def test_it_depends_on_what_is_open(
    reach: Reach, permits: list[tuple[str, ...]], forbids: list[tuple[str, ...]], said: str
) -> None:
    found = Reachable(
        tool="t",
        reach=reach,
        permits=tuple(a_way("permit", *texts) for texts in permits),
        forbids=tuple(a_way("forbid", *texts) for texts in forbids),
        reason="why" if reach is Reach.REFUSED else "",
    )

    assert summary(found) == said
    assert reachable_json(found)["reach"] == reach
