"""Which values of a question the policies look at, and which others are worth a try there."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.model import Json
from callgate.policy.candidates import (
    ABSENT,
    Said,
    Spot,
    atoms,
    chains_in,
    spots_of,
    texts,
    values_at,
)
from callgate.policy.engine import Engine, Question
from callgate.policy.entities import facts_of
from callgate.policy.expressions import Expression, operands_of
from callgate.policy.places import Place, value_at
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.shapes import Shape
from callgate.policy.source import SHADOW, Policy

_GROUP = "::Group"


class Openings:
    """The places that policies read in one decision."""

    def __init__(self, engine: Engine, question: Question) -> None:
        self._question = question
        self._policies = engine.in_scope(question.principal, question.tool).policies
        action = engine.names.action_of(question.tool)
        self._kind = facts_of(question.principal, engine.names).lineage.own[0]
        self._for_anybody = [
            policy
            for policy in engine.policies
            if policy.mode != SHADOW and action.meets(policy.action)
        ]
        self._context: Shape = context_shape(
            input_shape(question.tool.input_schema), engine.enrichments
        )

    def values(self) -> dict[Place, list[Json]]:
        """What to try at each place."""
        found: dict[Place, list[Json]] = {}
        for place, spot, said in self._read():
            value = value_at(self._question, place)
            values = values_at(spot, value, said)
            found.setdefault(place, []).extend(values)
        for place, values in self._of_principal():
            found.setdefault(place, []).extend(values)
        return found

    def arguments_and_facts(self) -> list[Place]:
        """The arguments and facts that the policies in scope read."""
        return list(dict.fromkeys(place for place, _, _ in self._read()))

    def claims(self) -> list[str]:
        """The names of the claims that the policies in scope read."""
        reads = [_reads(atom) for policy in self._policies for atom in _atoms(policy)]
        return list(dict.fromkeys(name for some in reads for kind, name in some if kind == "claim"))

    def _read(self) -> list[tuple[Place, Spot, Said]]:
        found: dict[tuple[Place, str], tuple[Place, Spot, Said]] = {}
        for policy in self._policies:
            for atom in _atoms(policy):
                spots = [
                    (Place("fact" if chain[0] == "enriched" else "argument", spot.path), spot)
                    for chain in chains_in(atom)
                    for spot in spots_of(self._context, chain)
                ]
                for place, spot in spots:
                    _, _, said = found.setdefault((place, spot.fact), (place, spot, Said()))
                    said.read(atom)
                    for other, _ in spots:  # what one argument is compared with may be another
                        if other != place:
                            said.value(value_at(self._question, other))
        return list(found.values())

    def _of_principal(self) -> Iterator[tuple[Place, list[Json]]]:
        principal = self._question.principal
        groups = dict.fromkeys(principal.groups, False)
        said: dict[Place, Said] = {}
        for policy in self._for_anybody:
            atoms_of = list(_atoms(policy))
            for name in (
                *_named(policy, _GROUP),
                *(n for one in atoms_of for n in _groups_in(one)),
            ):
                groups.setdefault(name, name not in principal.groups)
            for atom in atoms_of:
                for kind, name in _reads(atom):
                    place = Place(kind, (name,)) if kind == "claim" else Place(kind)
                    said.setdefault(place, Said()).read(atom)
        for place, constants in said.items():
            yield place, _of_text(value_at(self._question, place), constants)
        for name, is_in in groups.items():
            yield Place("group", (name,)), [is_in]
        others = (name for policy in self._for_anybody for name in _named(policy, self._kind))
        people = [name for name in dict.fromkeys(others) if name != principal.id]
        if people:
            yield Place("principal"), list(people)


def _named(policy: Policy, kind: str) -> Iterator[str]:
    """The entities of a kind that the policy's scope names as its principal."""
    return (name for of_kind, name in policy.principal.uids if of_kind.endswith(kind))


def _of_text(value: Json, said: Said) -> list[Json]:
    return [one for one in (*texts(value, said), ABSENT) if one != value]


def _atoms(policy: Policy) -> Iterator[Expression]:
    return atoms([one["body"] for one in policy.est["conditions"]])


def _reads(atom: Expression) -> Iterator[tuple[str, str]]:
    """Which claims (`claim`, name), tenant and agent a test reads."""
    open_ones = [atom]
    while open_ones:
        one = open_ones.pop()
        operator, operands = next(iter(one.items()))
        if isinstance(operands, dict) and operands.get("left") == {"Var": "principal"}:
            if operator in (".", "has") and operands["attr"] in ("tenant", "agent"):
                yield operands["attr"], ""
            elif operator in ("getTag", "hasTag") and "Value" in operands["right"]:
                yield "claim", str(operands["right"]["Value"])
        open_ones.extend(operands_of(one))


def _groups_in(atom: Expression) -> Iterator[str]:
    if "in" in atom:
        said = Said()
        said.read(atom)
        yield from said.groups
