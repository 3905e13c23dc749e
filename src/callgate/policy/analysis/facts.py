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
    implies,
    negation,
    same,
)
from callgate.policy.analysis.texts import Text, Unknown, is_like, length, same_text
from callgate.policy.analysis.values import Scalar, Set, Value, is_empty
from callgate.policy.readings import registrable

Slots = Mapping[str, tuple[Truth, Value]]  # of the facts that policies read, by name

_OF_PATHS = ("path", "is_absolute", "escapes", "has_backslash")
_OF_HOSTS = ("url_path", "has_userinfo")  # with a scheme and a host, or not at all
_BEYOND_PORTS = 99_999
_ABSOLUTE: list[str | None] = ["/", None]


def of_text(raw: Text, slots: Slots) -> Iterator[Truth]:
    """What holds of facts read from a string. Less than everything: never more."""
    yield from _sizes(raw, slots)
    paths = [slots[name] for name in _OF_PATHS if name in slots]
    if paths:
        is_path = negation(same_text(raw, "")), negation(is_like(raw, [None, "\0", None]))
        yield from (same(is_there, conj(*is_path)) for is_there, _ in paths)
    for name, pattern in (("is_absolute", _ABSOLUTE), ("has_backslash", [None, "\\", None])):
        if name in slots:
            yield implies(slots[name][0], same(_term(slots, name), is_like(raw, pattern)))
    if "path" in slots:
        path = _term(slots, "path")
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
        is_plain = conj(slots["is_ambiguous"][0], negation(_term(slots, "is_ambiguous")))
        yield implies(slots["host"][0], is_plain)
    if "port" in slots:
        yield between(0, _term(slots, "port"), _BEYOND_PORTS)
    for name in _OF_HOSTS:
        for needed in ("scheme", "host"):
            if name in slots and needed in slots:
                yield implies(slots[name][0], slots[needed][0])
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
