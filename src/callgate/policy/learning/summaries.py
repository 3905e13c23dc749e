"""What the values at one place of many calls have in common; bounded, and mergeable."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from callgate.model import Json
from callgate.policy.readings import read
from callgate.policy.shapes import Kind

MAX_FEW = 8  # values that a policy lists
MAX_LISTED_CHARACTERS = 80  # of a text that a policy lists
MAX_COMMON_CHARACTERS = 60  # of a beginning that texts share
ENOUGH = 5  # different texts, for what they share to be no accident
MAX_READ = 8_192  # texts of which it is remembered what they say
_FACTS = ("scheme", "host", "port", "domain", "address_domain", "path", "url_path", "escapes",
          "has_backslash", "has_userinfo")  # fmt: skip

Scalar = str | int | bool


@dataclass(slots=True)
class Few:
    """The values, as long as they are few and short; in the order in which they came."""

    values: dict[Scalar, None] = field(default_factory=dict)
    is_many: bool = False

    def add(self, value: Scalar) -> None:
        """Takes a value in."""
        if self.is_many or value in self.values:
            return
        is_long = isinstance(value, str) and len(value) > MAX_LISTED_CHARACTERS
        if is_long or len(self.values) == MAX_FEW:
            self.values.clear()
            self.is_many = True
        else:
            self.values[value] = None

    def merge(self, other: Few) -> None:
        """Takes in another's."""
        if other.is_many:
            self.values.clear()
            self.is_many = True
        for value in other.values:
            self.add(value)

    @property
    def sorted(self) -> list[Scalar]:
        """The values in a stable order."""
        return sorted(self.values, key=lambda value: (str(type(value)), value))


@dataclass(slots=True)
class Fact:
    """One fact about texts, which some of them may not have."""

    few: Few = field(default_factory=Few)
    is_missing: bool = False

    def add(self, value: Scalar | None) -> None:
        """Takes in what one text has there."""
        if value is None:
            self.is_missing = True
        else:
            self.few.add(value)

    def merge(self, other: Fact) -> None:
        """Takes in another's."""
        self.few.merge(other.few)
        self.is_missing = self.is_missing or other.is_missing

    @property
    def all(self) -> list[Scalar]:
        """The values, where every text has one and they are few."""
        return [] if self.is_missing or self.few.is_many else self.few.sorted


@dataclass(slots=True)
class Range:
    """From the least to the most."""

    least: Decimal | int | None = None
    most: Decimal | int | None = None

    def add(self, value: Decimal | int) -> None:
        """Takes a number in."""
        self.least = value if self.least is None else min(self.least, value)
        self.most = value if self.most is None else max(self.most, value)

    def merge(self, other: Range) -> None:
        """Takes in another's."""
        for value in (other.least, other.most):
            if value is not None:
                self.add(value)


@dataclass(slots=True)
class Common:
    """The directory that all paths are in, or are; None: there is no such thing."""

    steps: tuple[str, ...] | None = None
    is_itself: bool = False  # one of them is the directory, as far as can be told
    is_empty: bool = True

    def add(self, path: str | None) -> None:
        """Takes in a normalised path."""
        self._join(None if path is None else tuple(path.split("/")), is_itself=True)

    def merge(self, other: Common) -> None:
        """Takes in another's."""
        if not other.is_empty:
            self._join(other.steps, is_itself=other.is_itself)

    def _join(self, steps: tuple[str, ...] | None, *, is_itself: bool) -> None:
        mine = self.steps
        if self.is_empty:
            self.steps, self.is_itself, self.is_empty = steps, is_itself, False
        elif mine is None or steps is None:
            self.steps = None
        else:
            shared = tuple(_shared(mine, steps))
            # Whoever has no more steps than what is shared is the directory itself.
            mine_too = self.is_itself and len(mine) == len(shared)
            self.is_itself = mine_too or (is_itself and len(steps) == len(shared))
            self.steps = shared

    @property
    def text(self) -> str | None:
        """`/data/reports`; None where nothing worth a bound is shared."""
        if self.steps is None or not any(step not in ("", ".", "..") for step in self.steps):
            return None
        return "/".join(self.steps)


@lru_cache(MAX_READ)
def _facts_of(text: str) -> Mapping[str, Json]:
    return read(text, _FACTS)


def _shared(one: Sequence[str], other: Sequence[str]) -> Iterable[str]:
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            return
        yield mine


@dataclass(slots=True)
class Texts:
    """Texts: which, if few; how long; and what they say as paths, URLs and addresses."""

    few: Few = field(default_factory=Few)
    length: Range = field(default_factory=Range)
    prefix: str | None = None
    scheme: Fact = field(default_factory=Fact)
    host: Fact = field(default_factory=Fact)
    port: Fact = field(default_factory=Fact)
    domain: Fact = field(default_factory=Fact)
    address_domain: Fact = field(default_factory=Fact)
    path: Common = field(default_factory=Common)
    url_path: Common = field(default_factory=Common)
    are_paths: bool = True  # each has a `/` and is no URL
    flags: set[str] = field(default_factory=set)  # facts that held of one of them
    hashes: set[int] = field(default_factory=set)  # as many as are needed to count

    @property
    def distinct(self) -> int:
        """How many different ones, up to ENOUGH."""
        return len(self.hashes)

    def add(self, text: str) -> None:
        """Takes a text in."""
        if text in self.few.values:
            return
        self.few.add(text)
        self._count(hash(text))
        self.length.add(len(text))
        self._share(text)
        facts = _facts_of(text)
        for name in ("scheme", "host", "port", "domain", "address_domain"):
            getattr(self, name).add(facts.get(name))
        self.path.add(facts.get("path"))
        self.url_path.add(facts.get("url_path"))
        self.are_paths = self.are_paths and "/" in text and "scheme" not in facts
        self.flags |= {
            name for name in ("escapes", "has_backslash", "has_userinfo") if facts.get(name)
        }

    def merge(self, other: Texts) -> None:
        """Takes in another's."""
        for number in other.hashes:
            self._count(number)
        self.few.merge(other.few)
        self.length.merge(other.length)
        if other.prefix is not None:
            self._share(other.prefix)
        for name in ("scheme", "host", "port", "domain", "address_domain", "path", "url_path"):
            getattr(self, name).merge(getattr(other, name))
        self.are_paths = self.are_paths and other.are_paths
        self.flags |= other.flags

    def _count(self, number: int) -> None:
        if len(self.hashes) < ENOUGH:
            self.hashes.add(number)

    def _share(self, text: str) -> None:
        text = text[:MAX_COMMON_CHARACTERS]
        if self.prefix is None:
            self.prefix = text
        elif not text.startswith(self.prefix):
            pairs = zip(self.prefix, text, strict=False)
            most = min(len(self.prefix), len(text))
            end = next((i for i, (a, b) in enumerate(pairs) if a != b), most)
            self.prefix = self.prefix[:end]


@dataclass(slots=True)
class Scalars:
    """Values of one scalar kind, in Cedar's JSON form."""

    kind: Kind
    few: Few = field(default_factory=Few)
    range: Range = field(default_factory=Range)
    texts: Texts = field(default_factory=Texts)

    def add(self, value: Json) -> None:
        """Takes a value in."""
        if self.kind is Kind.STRING:
            self.texts.add(value)
        elif self.kind is Kind.BOOL:
            self.few.add(value)
        else:
            self.few.add(value)
            self.range.add(Decimal(value) if self.kind is Kind.DECIMAL else value)

    def merge(self, other: Scalars) -> None:
        """Takes in another's."""
        self.few.merge(other.few)
        self.range.merge(other.range)
        self.texts.merge(other.texts)


@dataclass(slots=True)
class Items:
    """Lists: how long, and what is in them."""

    items: Scalars
    count: Range = field(default_factory=Range)

    def add(self, values: Collection[Json]) -> None:
        """Takes a list in."""
        self.count.add(len(values))
        for value in values:
            self.items.add(value)

    def merge(self, other: Items) -> None:
        """Takes in another's."""
        self.count.merge(other.count)
        self.items.merge(other.items)


@dataclass(slots=True)
class Documents:
    """JSON texts: which, if few; of which kind; how large; with which keys; what is in lists."""

    few: Few = field(default_factory=Few)
    kinds: Few = field(default_factory=Few)
    size: Range = field(default_factory=Range)
    count: Range = field(default_factory=Range)
    keys: Few = field(default_factory=Few)
    each: dict[tuple[str, ...], Scalars] = field(default_factory=dict)

    def merge(self, other: Documents) -> None:
        """Takes in another's."""
        for name in ("few", "kinds", "size", "count", "keys"):
            getattr(self, name).merge(getattr(other, name))
        for path, scalars in other.each.items():
            self.each.setdefault(path, Scalars(scalars.kind)).merge(scalars)
