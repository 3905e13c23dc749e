"""Two policy sets as wholes, of how they stand to each other tool by tool."""

import pytest

from callgate.policy.analysis.compare import Comparison, Difference, Relation

MORE, LESS = Relation.MORE_PERMISSIVE, Relation.LESS_PERMISSIVE
BOTH, OPEN = Relation.INCOMPARABLE, Relation.UNDECIDED


def of(*relations: Relation) -> Comparison:
    differences = tuple(
        Difference(tool=f"t___{n}", principal_type="OAuthUser", relation=relation)
        for n, relation in enumerate(relations)
    )
    return Comparison(
        differences=differences, undecided=(), changed_policies=(), tools=9, compared=2, queries=1
    )


@pytest.mark.parametrize(
    ("relations", "whole"),
    [
        ((), Relation.EQUIVALENT),
        ((MORE, MORE), MORE),
        ((LESS,), LESS),
        ((MORE, LESS), BOTH),
        ((MORE, BOTH), BOTH),
        ((OPEN,), OPEN),
        ((MORE, OPEN), OPEN),
        ((MORE, LESS, OPEN), BOTH),
    ],
)
def test_the_whole_follows_from_the_tools(relations: tuple[Relation, ...], whole: Relation) -> None:
    assert of(*relations).relation() is whole
    assert of(*relations).is_equivalent is (not relations)
