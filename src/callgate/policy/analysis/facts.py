"""How derived facts belong to the argument that they were read from: what every pair keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callgate.policy.analysis.globs import is_literal
from callgate.policy.analysis.terms import (
    Term,
    Truth,
    at_most,
    between,
    conj,
    disj,
    implies,
    negation,
    same,
)
from callgate.policy.analysis.texts import Text, Unknown, is_like, length, same_text
from callgate.policy.analysis.values import Scalar, Set, Value, is_empty
from callgate.policy.readings import registrable

Slots = Mapping[str, tuple[Truth, Value]]  # of the facts that policies read, by name

_BEYOND_PORTS = 99_999
_ABSOLUTE: list[str | None] = ["/", None]


def of_text(raw: Text, slots: Slots) -> Iterator[Truth]:
    """What holds of facts read from a string. Less than everything: never more."""
    yield from _sizes(raw, slots)
    nul: list[str | None] = [None, "\0", None]
    for name, pattern in (("is_absolute", _ABSOLUTE), ("has_backslash", [None, "\\", None])):
        if name in slots:
            yield implies(slots[name][0], same(_term(slots, name), is_like(raw, pattern)))
    if "escapes" in slots:
        has_nul, is_home = is_like(raw, nul), is_like(raw, ["~", None])
        goes_up = is_like(raw, [None, "..", None])
        there, escapes = slots["escapes"][0], _term(slots, "escapes")
        yield implies(conj(there, disj(is_home, has_nul)), escapes)
        yield implies(conj(there, escapes), disj(is_home, has_nul, goes_up))
    if "path" in slots:
        path = _term(slots, "path")
        is_none = disj(same_text(raw, ""), is_like(raw, nul))
        yield same(slots["path"][0], negation(is_none))
        yield negation(same_text(path, ""))
        yield implies(slots["path"][0], same(is_like(path, _ABSOLUTE), is_like(raw, _ABSOLUTE)))
    yield from _hosts(slots)


def _sizes(raw: Text, slots: Slots) -> Iterator[Truth]:
    if "length" in slots:
        yield same(_term(slots, "length"), length(raw))
    if "bytes" in slots:
        size = _term(slots, "bytes")
        yield conj(at_most(length(raw), size), at_most(size, 4 * length(raw)))


def _hosts(slots: Slots) -> Iterator[Truth]:
    hosts = [name for name in ("host", "address_domain") if name in slots]
    if "domain" in slots:
        yield negation(same_text(_term(slots, "domain"), ""))
        for name in hosts:
            yield from _domains(slots[name][0], _term(slots, name), slots)
    if "is_ambiguous" in slots and "host" in slots:
        is_doubtful = conj(slots["is_ambiguous"][0], _term(slots, "is_ambiguous"))
        yield negation(conj(slots["host"][0], is_doubtful))
    if "port" in slots:
        yield between(0, _term(slots, "port"), _BEYOND_PORTS)
    for needed in ("scheme", "host"):
        if "url_path" in slots and needed in slots:
            yield implies(slots["url_path"][0], slots[needed][0])
    if len(hosts) == 2:
        yield negation(conj(slots["host"][0], slots["address_domain"][0]))


def _domains(is_there: Truth, host: Text, slots: Slots) -> Iterator[Truth]:
    """Of each host that policies name, the domain is known."""
    if not isinstance(host, Unknown):
        return
    for pattern, is_it in list(host.truths.items()):
        if is_literal(pattern):
            domain = registrable(str(pattern[0]))
            has_domain = slots["domain"][0]
            same_one = conj(has_domain, same_text(_term(slots, "domain"), domain))
            told = same_one if domain else negation(has_domain)
            yield implies(conj(is_there, is_it), told)


def of_set(whole: Set, slots: Slots) -> Iterator[Truth]:
    """What holds of facts about an array of scalars."""
    if "count" in slots:
        yield at_most(0, _term(slots, "count"))
        yield same(same(_term(slots, "count"), 0), is_empty(whole))


def of_json(slots: Slots) -> Iterator[Truth]:
    """What holds of facts about JSON text."""
    for name in ("bytes", "count"):
        if name in slots:
            yield at_most(0, _term(slots, name))


def _term(slots: Slots, name: str) -> Term:
    value = slots[name][1]
    assert isinstance(value, Scalar)  # noqa: S101 - all facts named here are scalars
    return value.term
