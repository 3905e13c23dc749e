"""What JSON values a schema lets through, as far as types tell: what holds of all, what of some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import reduce

KINDS_OF = {
    "null": frozenset({"null"}),
    "boolean": frozenset({"boolean"}),
    "integer": frozenset({"integer"}),
    "number": frozenset({"integer", "fraction"}),
    "string": frozenset({"string"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
"""JSON Schema's types; `number` is taken apart, so that types are met and joined as sets."""


@dataclass(frozen=True, slots=True)
class Possible:
    """The values that are possible at one place: at most these, never fewer than there are.

    What is not known (None) may be anything. Fields are those that objects declare; others may be
    there. `unsure` names the fields that hold something else where what declares them does not
    apply. `meant` is the kind that keywords speak of where no type is said: `properties` alone mean
    an object.
    """

    kinds: frozenset[str] | None = None
    fields: dict[str, Possible] | None = None
    required: frozenset[str] = frozenset()
    unsure: frozenset[str] = frozenset()
    is_closed: bool = False  # objects have no other fields
    items: Possible | None = None  # of arrays
    is_tuple: bool = False  # arrays have positions that mean different things
    meant: str | None = None

    def settled(self) -> Possible:
        """The kind that is meant, where none is said."""
        if self.kinds is None and self.meant is not None:
            return replace(self, kinds=KINDS_OF[self.meant])
        return self

    def may_be(self, kind: str) -> bool:
        """Whether a value of this kind is possible."""
        return self.kinds is None or kind in self.kinds


ANYTHING = Possible()
NOTHING = Possible(kinds=frozenset())


def all_of(parts: Iterable[Possible]) -> Possible:
    """What holds of a value that each of the parts lets through."""
    several = [part for part in parts if part is not ANYTHING]
    if len(several) < 2:
        return several[0] if several else ANYTHING
    said = [part.kinds for part in several if part.kinds is not None]
    items = [part.items for part in several if part.items is not None]
    fields, unsure = _fields_of_all(several)
    return Possible(
        kinds=reduce(frozenset.intersection, said) if said else None,
        fields=fields,
        required=frozenset().union(*(part.required for part in several)),
        unsure=unsure,
        is_closed=any(part.is_closed for part in several),
        items=all_of(items) if items else None,
        is_tuple=any(part.is_tuple for part in several),
        meant=next((part.meant for part in several if part.meant is not None), None),
    )


def any_of(parts: Iterable[Possible]) -> Possible:
    """What holds of a value that one of the parts lets through."""
    several = [part.settled() for part in parts]
    if len(several) < 2:
        return several[0] if several else ANYTHING
    said = [part.kinds for part in several if part.kinds is not None]
    objects = [part for part in several if part.may_be("object")]
    arrays = [part for part in several if part.may_be("array")]
    items = [part.items for part in arrays if part.items is not None]
    fields, unsure = _fields_of_any(objects)
    return Possible(
        kinds=reduce(frozenset.union, said) if len(said) == len(several) else None,
        fields=fields,
        required=_in_all([part.required for part in objects]),
        unsure=unsure,
        is_closed=bool(objects) and all(part.is_closed for part in objects),
        items=any_of(items) if items and len(items) == len(arrays) else None,
        is_tuple=any(part.is_tuple for part in arrays),
    )


def sometimes(part: Possible) -> Possible:
    """What a part says that need not apply: the names and likely types of fields, nothing else."""
    fields = part.fields or {}
    return Possible(fields=part.fields, unsure=frozenset(fields)) if fields else ANYTHING


_Declared = dict[str, list[tuple[Possible, bool]]]  # and whether it is unsure


def _declared(parts: Sequence[Possible]) -> _Declared | None:
    declared: _Declared | None = None
    for part in parts:
        if part.fields is not None:
            declared = {} if declared is None else declared
            for name, possible in part.fields.items():
                declared.setdefault(name, []).append((possible, name in part.unsure))
    return declared


def _fields_of_all(parts: Sequence[Possible]) -> tuple[dict[str, Possible] | None, frozenset[str]]:
    """A field is what all say that are sure of it; where none is, what all say."""
    declared = _declared(parts)
    if declared is None:
        return None, frozenset()
    unsure = frozenset(name for name, found in declared.items() if all(un for _, un in found))
    fields = {
        name: all_of(possible for possible, un in found if not un or name in unsure)
        for name, found in declared.items()
    }
    return fields, unsure


def _fields_of_any(parts: Sequence[Possible]) -> tuple[dict[str, Possible] | None, frozenset[str]]:
    """A field is what one of those says that declare it; unsure where others may have it too."""
    declared = _declared(parts)
    if declared is None:
        return None, frozenset()
    open_parts = [part for part in parts if not part.is_closed]
    closed_with = [part.fields or {} for part in parts if part.is_closed]
    unsure = frozenset(
        name
        for name, found in declared.items()
        if any(un for _, un in found)
        or len(found) - sum(name in fields for fields in closed_with) < len(open_parts)
    )
    return {
        name: any_of(possible for possible, _ in found) for name, found in declared.items()
    }, unsure


def _in_all(names: Sequence[frozenset[str]]) -> frozenset[str]:
    return reduce(frozenset.intersection, names) if names else frozenset()
