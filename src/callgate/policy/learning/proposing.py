"""What was seen → policies: who may use which tool, within which bounds; and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from callgate.model import Tool
from callgate.policy.identifiers import fresh_id
from callgate.policy.learning.bounding import Bounds, Level, bounds_of
from callgate.policy.learning.observing import Actor, Ledger, Node, Observed, Used
from callgate.policy.learning.quoting import entity, one_of, quoted
from callgate.policy.names import Names
from callgate.policy.shapes import Kind, Shape

MAX_TOGETHER = 100  # principals that one policy names


@dataclass(frozen=True, slots=True)
class Whom:
    """Principals that are permitted alike: groups, and those that no such group covers."""

    groups: tuple[str, ...]
    actors: tuple[Actor, ...]


@dataclass(frozen=True, slots=True)
class Proposed:
    """One policy, and what it rests on."""

    id: str
    text: str  # Cedar, without annotations
    tools: tuple[Tool, ...]
    whom: Whom
    seen: tuple[Observed, ...]  # one a tool
    actors: tuple[Actor, ...]  # that did so
    unbound: tuple[tuple[str, str], ...]

    @property
    def calls(self) -> int:
        """How many calls it rests on."""
        return sum(observed.calls for observed in self.seen)


@dataclass(frozen=True, slots=True)
class _Part:
    """One tool, some principals, and the bounds of what they did."""

    used: Used
    whom: Whom
    within: tuple[str, ...]  # groups that each of them must be in besides
    on_principal: tuple[str, ...]  # conditions
    bounds: Bounds
    seen: Observed
    callers: tuple[Actor, ...]


def propose(
    ledger: Ledger,
    level: Level,
    names: Names,
    groups: Collection[str] = (),
    taken: Collection[str] = (),
) -> tuple[Proposed, ...]:
    """Policies that permit what was seen; the same calls give the same text.

    `groups` are those that mattered: by the strict level, who was in one of them must still be, and
    must have the claims that the ledger looked at.
    `taken` are ids of other policies.
    """
    parts: list[_Part] = []
    tools, _ = ledger.latest()
    for used in tools:
        if level is Level.STRICT:
            parts += _apart(used, frozenset(groups))
        else:
            parts += _together(used, ledger, level)
    writer = _Writer(names, taken)
    return tuple(writer.policy(group) for group in _alike(parts))


def _apart(used: Used, groups: frozenset[str]) -> Iterator[_Part]:
    """Each principal what it did; those that did the same within the same bounds share a policy."""
    is_closed = _is_closed(used)
    found: dict[tuple[object, ...], list[Actor]] = {}
    bounds: dict[Actor, Bounds] = {}
    for actor in sorted(used.actors, key=lambda one: one.order):
        bounds[actor] = bounds_of(used.actors[actor], Level.STRICT, is_closed=is_closed)
        within = tuple(sorted(used.groups[actor] & groups))
        key = (bounds[actor], _facets(actor, is_strict=True), within, used.claims[actor])
        found.setdefault(key, []).append(actor)
    for actors in found.values():
        for begin in range(0, len(actors), MAX_TOGETHER):
            some = tuple(actors[begin : begin + MAX_TOGETHER])
            yield _Part(
                used=used,
                whom=Whom(groups=(), actors=some),
                within=tuple(sorted(used.groups[some[0]] & groups)),
                on_principal=(
                    *_facets(some[0], is_strict=True),
                    *_with_claims(used.claims[some[0]]),
                ),
                bounds=bounds[some[0]],
                seen=_pooled(used, some),
                callers=some,
            )


def _together(used: Used, ledger: Ledger, level: Level) -> Iterator[_Part]:
    """All principals that used the tool what any of them did, in groups where those are whole."""
    actors = tuple(sorted(used.actors, key=lambda one: one.order))
    seen = _pooled(used, actors)
    bounds = bounds_of(seen, level, is_closed=_is_closed(used))
    groups = tuple(_covering(used, ledger.members))
    left = tuple(a for a in actors if not any(a in ledger.members[group] for group in groups))
    facets = {_facets(actor, is_strict=False) for actor in actors}
    shared = tuple(c for c in min(facets) if all(c in one for one in facets))
    by_id = {(actor.id, actor.is_anonymous): actor for actor in reversed(left)}
    named = tuple(sorted(by_id.values(), key=lambda one: one.order))
    for begin in range(0, max(len(named), 1), MAX_TOGETHER):
        yield _Part(
            used=used,
            whom=Whom(
                groups=groups if begin == 0 else (), actors=named[begin : begin + MAX_TOGETHER]
            ),
            within=(),
            on_principal=shared,
            bounds=bounds,
            seen=seen,
            callers=actors,
        )


def _covering(used: Used, members: Mapping[str, set[Actor]]) -> Iterator[str]:
    """Groups of which everybody who called at all used the tool, always as a member of it."""
    left = set(used.actors)
    fitting = {
        group: those
        for group, those in members.items()
        if len(those) > 1
        and all(actor in used.actors and group in used.groups[actor] for actor in those)
    }
    while fitting:
        group = min(fitting, key=lambda one: (-len(fitting[one] & left), one))
        gained = fitting.pop(group) & left
        if len(gained) < 2:
            return
        left -= gained
        yield group


def _facets(actor: Actor, *, is_strict: bool) -> tuple[str, ...]:
    """What policies see of a principal beside its id and groups, as conditions."""
    found = [f"principal.issuer == {quoted(actor.issuer)}"] if is_strict else []
    for name, value in (("tenant", actor.tenant), ("agent", actor.agent)):
        if value is not None:
            found.append(f"principal has {name} && principal.{name} == {quoted(value)}")
        elif is_strict:
            found.append(f"!(principal has {name})")
    return tuple(found)


def _with_claims(claims: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, text in sorted(claims):
        tag = quoted(name)
        yield f"principal.hasTag({tag}) && principal.getTag({tag}) == {quoted(text)}"


def _pooled(used: Used, actors: Iterable[Actor]) -> Observed:
    whole = Observed(Node(used.shape))
    for actor in actors:
        whole.merge(used.actors[actor])
    return whole


def _is_closed(used: Used) -> bool:
    """Whether the schema leaves nowhere that an undeclared key could be."""
    schema = used.tool.input_schema
    is_closed = schema.get("additionalProperties") is False and "patternProperties" not in schema
    return is_closed and not any(_has_record(one.shape) for one in used.shape.fields.values())


def _has_record(shape: Shape) -> bool:
    if shape.kind is Kind.RECORD or (shape.items is not None and _has_record(shape.items)):
        return True
    return any(_has_record(one.shape) for one in shape.fields.values())


def _alike(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Parts that differ in nothing but the tool."""
    found: dict[tuple[object, ...], list[_Part]] = {}
    for part in parts:
        key = (part.whom, part.within, part.on_principal, part.bounds)
        found.setdefault(key, []).append(part)
    yield from found.values()


class _Writer:
    """Writes policies, under ids of their own."""

    def __init__(self, names: Names, taken: Collection[str]) -> None:
        self._names = names
        self._taken = set(taken)

    def policy(self, parts: Sequence[_Part]) -> Proposed:
        """One policy for some tools."""
        first = parts[0]
        identifier = fresh_id(_name(parts), self._taken)
        self._taken.add(identifier)
        callers = {caller for part in parts for caller in part.callers}
        return Proposed(
            id=identifier,
            text=self._text(parts),
            tools=tuple(part.used.tool for part in parts),
            whom=first.whom,
            seen=tuple(part.seen for part in parts),
            actors=tuple(sorted(callers, key=lambda one: one.order)),
            unbound=first.bounds.unbound,
        )

    def _text(self, parts: Sequence[_Part]) -> str:
        first = parts[0]
        names = self._names
        group_type = str(names.uid(names.GROUP, "")["type"])
        within = [f"principal in {entity(group_type, group)}" for group in first.within]
        scope, on_principal = "principal", [*within, *first.on_principal]
        whom = self._whom(first.whom)
        if [len(some) for some in whom] == [1]:
            scope += f" {'in' if first.whom.groups else '=='} {whom[0][0]}"
        else:
            # One set holds entities of one type only.
            some = " || ".join(f"principal in {one_of(alike)}" for alike in whom)
            on_principal.insert(0, some if len(whom) == 1 else f"({some})")
        conditions = [" && ".join(on_principal)] if on_principal else []
        whens = [f"when {{ {one} }}" for one in (*conditions, *first.bounds.conditions)]
        actions = [self._action(part.used.tool) for part in parts]
        action = f"== {actions[0]}" if len(actions) == 1 else f"in {one_of(actions)}"
        own = self._names.resource.own
        head = f"permit (\n  {scope},\n  action {action},\n  resource == {entity(*own)}\n)"
        return "\n".join([head, *whens]) + ";"

    def _whom(self, whom: Whom) -> list[list[str]]:
        """The entities, by type."""
        names = self._names
        told = [
            [(names.GROUP, group) for group in whom.groups],
            [(names.USER, actor.id) for actor in whom.actors if not actor.is_anonymous],
            [(names.ANONYMOUS, actor.id) for actor in whom.actors if actor.is_anonymous],
        ]
        uids = [[names.uid(kind, identifier) for kind, identifier in some] for some in told if some]
        return [[entity(uid["type"], uid["id"]) for uid in some] for some in uids]

    def _action(self, tool: Tool) -> str:
        return entity(*self._names.action_of(tool).own)


def _name(parts: Sequence[_Part]) -> str:
    """What the id is made of: `seen shop refund ada`."""
    tool, whom = parts[0].used.tool, parts[0].whom
    words = ["seen", tool.target, tool.name if len(parts) == 1 else "tools"]
    if len(whom.actors) + len(whom.groups) == 1:
        words += [*whom.groups, *(actor.id for actor in whom.actors)]
    return " ".join(words)
