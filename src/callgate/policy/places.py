"""Single values of a question that could be others: arguments, facts, time, claims, groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec.structs import replace

from callgate.model import Json, Principal, Value
from callgate.policy.candidates import ABSENT
from callgate.policy.engine import Question

KINDS = ("argument", "fact", "time", "claim", "group", "tenant", "agent", "principal")


class Place(NamedTuple):
    """Where a value stands."""

    kind: str  # one of KINDS
    path: tuple[str, ...] = ()  # keys of the arguments; (interceptor, fact); a claim; a group


class Edit(Value):
    """One value that is another. Where nothing stands, the value is None."""

    kind: str
    path: tuple[str, ...]
    before: Json = None
    after: Json = None
    was_there: bool = True
    is_there: bool = True


Changes = Mapping[Place, Json]
"""Places and what should stand there; ABSENT: nothing."""


def value_at(question: Question, place: Place) -> Json:
    """What stands there; ABSENT where nothing does. Of a group, whether the principal is in it."""
    principal = question.principal
    match place.kind:
        case "argument":
            return _found(question.arguments, place.path)
        case "fact":
            return _found(question.enriched, place.path)
        case "time":
            return question.now
        case "claim":
            return principal.claims.get(place.path[0], ABSENT)
        case "group":
            return place.path[0] in principal.groups
        case "principal":
            return principal.id
    value = principal.tenant if place.kind == "tenant" else principal.agent
    return ABSENT if value is None else value


def changed(question: Question, changes: Changes) -> Question:
    """The question with other values."""
    arguments, principal, now = question.arguments, question.principal, question.now
    enriched: Mapping[str, Mapping[str, Json]] = question.enriched
    for place, value in changes.items():
        if place.kind == "argument":
            arguments = _with(arguments, place.path, value)
        elif place.kind == "fact":
            enriched = _with(enriched, place.path, value)
        elif place.kind == "time":
            now = value
        else:
            principal = _other(principal, place, value)
    return replace(question, arguments=arguments, enriched=enriched, principal=principal, now=now)


def edits_of(question: Question, changes: Changes) -> tuple[Edit, ...]:
    """The same changes, said as what was and what would be."""
    return tuple(_edit(place, value_at(question, place), after) for place, after in changes.items())


def _edit(place: Place, before: Json, after: Json) -> Edit:
    if place.kind == "group":
        return Edit(kind="group", path=place.path, was_there=before, is_there=after)
    was_there, is_there = before is not ABSENT, after is not ABSENT
    return Edit(
        kind=place.kind,
        path=place.path,
        before=before if was_there else None,
        after=after if is_there else None,
        was_there=was_there,
        is_there=is_there,
    )


def _other(principal: Principal, place: Place, value: Json) -> Principal:
    match place.kind:
        case "claim":
            claims = {k: v for k, v in principal.claims.items() if k != place.path[0]}
            return replace(
                principal, claims=claims if value is ABSENT else {**claims, place.path[0]: value}
            )
        case "group":
            left = tuple(group for group in principal.groups if group != place.path[0])
            return replace(principal, groups=(*left, place.path[0]) if value else left)
        case "principal":
            return replace(principal, id=value)
        case "tenant":
            return replace(principal, tenant=None if value is ABSENT else value)
    return replace(principal, agent=None if value is ABSENT else value)


def _found(value: Json, path: tuple[str, ...]) -> Json:
    for name in path:
        if not isinstance(value, Mapping) or name not in value:
            return ABSENT
        value = value[name]
    return value


def _with(value: Json, path: tuple[str, ...], item: Json) -> Json:
    """A copy in which the item stands at the path."""
    if not path:
        return item
    inner = value if isinstance(value, Mapping) else {}
    if item is ABSENT and len(path) == 1:
        return {name: of for name, of in inner.items() if name != path[0]}
    return {**inner, path[0]: _with(inner.get(path[0]), path[1:], item)}
