"""Calls that ran → what was seen of each principal at each tool, place by place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from callgate.model import Json, Principal, Tool, Value
from callgate.policy.context import Unrepresentable, census, convert
from callgate.policy.decided import Decision, Place
from callgate.policy.derived import derive, derived_shape
from callgate.policy.entities import tag_text
from callgate.policy.exact import alternative, canonical, kind_of
from callgate.policy.learning.summaries import (
    MAX_LISTED_CHARACTERS,
    Documents,
    Few,
    Items,
    Scalars,
)
from callgate.policy.schema import input_shape
from callgate.policy.shapes import SCALARS, Kind, Shape

MASKED = "the record does not tell it"
MAX_EXAMPLES = 3
MAX_EXAMPLE_BYTES = 4_000

Content = Scalars | Items | Documents


@dataclass(slots=True)
class Node:
    """What was seen at one place."""

    shape: Shape
    seen: int = 0  # how often something stood here; null is nothing
    fields: dict[str, Node] = field(default_factory=dict)  # RECORD, UNION
    content: Content | None = None
    trouble: str = ""  # why policies had better not read it

    def add(self, value: Json, path: str) -> None:
        """Takes in a value that stands here."""
        self.seen += 1
        shape = self.shape
        try:
            match shape.kind:
                case Kind.RECORD if isinstance(value, dict):
                    self._fields(value, path)
                case Kind.UNION:
                    name = alternative(shape, value)
                    if name not in shape.fields:
                        raise Unrepresentable(path, f"{kind_of(value)} given")
                    self._field(name).add(value, path)
                case Kind.TEXT:
                    self._document(value, path)
                case Kind.SET if isinstance(value, list) and shape.items is not None:
                    if self.content is None:
                        self.content = Items(Scalars(shape.items.kind))
                    self.content.add(convert(shape, value, path))  # type: ignore[union-attr]  # as made above
                case _ if shape.kind in SCALARS:
                    if self.content is None:
                        self.content = Scalars(shape.kind)
                    self.content.add(convert(shape, value, path))  # type: ignore[union-attr]  # as made above
                case _:
                    raise Unrepresentable(path, f"{kind_of(value)} given")
        except Unrepresentable as finding:
            self.trouble = finding.problem

    def hide(self, steps: Place) -> None:
        """Notes that something at or below this place is not told."""
        if steps and isinstance(steps[0], str) and self.shape.kind is Kind.RECORD:
            if steps[0] in self.shape.fields:
                self._field(steps[0]).hide(steps[1:])
            return
        self.trouble = MASKED

    def merge(self, other: Node) -> None:
        """Takes in what was seen of somebody else."""
        self.seen += other.seen
        self.trouble = self.trouble or other.trouble
        for name, node in other.fields.items():
            self._field(name).merge(node)
        if other.content is not None:
            if self.content is None:
                self.content = _empty(self.shape)
            self.content.merge(other.content)  # type: ignore[arg-type]  # of one shape

    @property
    def is_readable(self) -> bool:
        """Whether a policy may ask for this place: that reads all that is below it."""
        return not self.trouble and all(node.is_readable for node in self.fields.values())

    def _fields(self, value: dict[str, Json], path: str) -> None:
        for name, of in self.shape.fields.items():
            if name in value and not (value[name] is None and of.is_nullable):
                self._field(name).add(value[name], f"{path}/{name}")

    def _field(self, name: str) -> Node:
        found = self.fields.get(name)
        if found is None:
            found = self.fields[name] = Node(self.shape.fields[name].shape)
        return found

    def _document(self, value: Json, path: str) -> None:
        if self.content is None:
            self.content = Documents()
        content = self.content
        assert isinstance(content, Documents)  # noqa: S101 - of this shape
        text = canonical(value).decode()
        content.few.add(text)
        content.kinds.add(kind_of(value))
        content.size.add(len(text.encode()))
        if isinstance(value, dict | list):
            content.count.add(len(value))
        if isinstance(value, dict):
            for key in value:
                content.keys.add(key)
        facts = derive(derived_shape(self.shape), self.shape, value, path)
        each = derived_shape(self.shape).fields.get("each")
        if each is not None and "each" in facts:
            for steps, kind, found in _sets(each.shape, facts["each"], ()):
                summary = content.each.setdefault(steps, Scalars(kind))
                for item in found:
                    summary.add(item)


def _empty(shape: Shape) -> Content:
    if shape.kind is Kind.TEXT:
        return Documents()
    if shape.kind is Kind.SET and shape.items is not None:
        return Items(Scalars(shape.items.kind))
    return Scalars(shape.kind)


def _sets(
    shape: Shape, value: Json, steps: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Kind, list[Json]]]:
    """Every set of the facts `each`: where it is, what it is of, and what is in it."""
    if shape.kind is Kind.SET and shape.items is not None:
        yield steps, shape.items.kind, value
        return
    for name, of in shape.fields.items():
        if name in value:
            yield from _sets(of.shape, value[name], (*steps, name))


class Actor(Value):
    """Who calls, as policies can tell them apart. Claims and groups are not in it."""

    id: str
    is_anonymous: bool = False
    issuer: str = ""
    tenant: str | None = None
    agent: str | None = None

    @classmethod
    def of(cls, principal: Principal) -> Actor:
        """The actor that a principal is."""
        return cls(
            id=principal.id,
            is_anonymous=principal.kind == "anonymous",
            issuer=principal.issuer,
            tenant=principal.tenant,
            agent=principal.agent,
        )

    @property
    def order(self) -> tuple[str, ...]:
        """What to sort by."""
        return (self.id, self.issuer, self.tenant or "", self.agent or "", str(self.is_anonymous))


@dataclass(slots=True)
class Observed:
    """What one actor, or several, did with one tool."""

    root: Node
    calls: int = 0
    first_at: float = float("inf")
    last_at: float = float("-inf")
    nulls: Few = field(default_factory=Few)
    extra: Few = field(default_factory=Few)
    samples: list[Decision] = field(default_factory=list)  # each of other arguments

    def add(self, decision: Decision) -> None:
        """Takes in a call."""
        question = decision.question
        self.calls += 1
        self.first_at = min(self.first_at, question.now)
        self.last_at = max(self.last_at, question.now)
        self.root.add(question.arguments, "")
        for place in decision.hidden:
            if place[0] == "input":
                self.root.hide(place[1:])
        counted = census(self.root.shape, question.arguments)
        for path in counted.nulls:
            self.nulls.add(path)
        for path in counted.extra:
            self.extra.add(path)
        self._keep(decision)

    def _keep(self, decision: Decision) -> None:
        arguments = decision.question.arguments
        if len(self.samples) < MAX_EXAMPLES and not decision.hidden:
            others = (sample.question.arguments for sample in self.samples)
            if len(canonical(arguments)) <= MAX_EXAMPLE_BYTES and arguments not in others:
                self.samples.append(decision)

    def merge(self, other: Observed) -> None:
        """Takes in what was seen of somebody else."""
        self.root.merge(other.root)
        self.calls += other.calls
        self.first_at = min(self.first_at, other.first_at)
        self.last_at = max(self.last_at, other.last_at)
        self.nulls.merge(other.nulls)
        self.extra.merge(other.extra)
        self.samples += other.samples[: MAX_EXAMPLES - len(self.samples)]


@dataclass(slots=True)
class Used:
    """One tool, under one definition."""

    tool: Tool
    shape: Shape
    actors: dict[Actor, Observed] = field(default_factory=dict)
    groups: dict[Actor, frozenset[str]] = field(default_factory=dict)  # in which all calls were
    claims: dict[Actor, frozenset[tuple[str, str]]] = field(default_factory=dict)  # that all had

    @property
    def last_at(self) -> float:
        """When it was used last."""
        return max(observed.last_at for observed in self.actors.values())

    @property
    def calls(self) -> int:
        """How often it was used."""
        return sum(observed.calls for observed in self.actors.values())


@dataclass(slots=True)
class Ledger:
    """Everything that is learnt from calls."""

    claims: frozenset[str] = frozenset()  # that matter: other claims are not looked at
    tools: dict[tuple[str, str, str], Used] = field(default_factory=dict)
    members: dict[str, set[Actor]] = field(default_factory=dict)  # group → who called from it

    def meet(self, principal: Principal) -> None:
        """Notes that somebody called, whatever came of it."""
        actor = Actor.of(principal)
        for group in principal.groups:
            self.members.setdefault(group, set()).add(actor)

    def add(self, decision: Decision) -> None:
        """Learns from a call that was permitted and ran."""
        principal, tool = decision.question.principal, decision.question.tool
        key = (tool.target, tool.name, tool.digest)
        used = self.tools.get(key)
        if used is None:
            used = self.tools[key] = Used(tool, input_shape(tool.input_schema))
        actor = Actor.of(principal)
        observed = used.actors.get(actor)
        groups, claims = frozenset(principal.groups), frozenset(self._claims(decision))
        if observed is None:
            observed = used.actors[actor] = Observed(Node(used.shape))
            used.groups[actor], used.claims[actor] = groups, claims
        used.groups[actor] &= groups
        used.claims[actor] &= claims
        observed.add(decision)

    def _claims(self, decision: Decision) -> Iterator[tuple[str, str]]:
        """The tags that policies would see, where the record tells them."""
        claims = decision.question.principal.claims
        for name in self.claims & claims.keys() if decision.knows_claims else ():
            if claims[name] is not None:
                text = tag_text(claims[name])
                if len(text) <= MAX_LISTED_CHARACTERS:
                    yield name, text

    def latest(self) -> tuple[list[Used], int]:
        """Each tool by the definition that was used last; and how many calls had older ones."""
        newest: dict[tuple[str, str], Used] = {}
        for (target, name, _), used in sorted(self.tools.items()):
            known = newest.get((target, name))
            if known is None or used.last_at > known.last_at:
                newest[target, name] = used
        kept = [newest[key] for key in sorted(newest)]
        return kept, _calls(self.tools.values()) - _calls(kept)


def _calls(tools: Iterable[Used]) -> int:
    return sum(used.calls for used in tools)
