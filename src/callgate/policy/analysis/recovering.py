"""Derived facts → a text that has them, so that an example shows an argument and not its facts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from callgate.model import Json
from callgate.policy.readings import read

MISSING = None  # the value of a fact that must not be there


def text_with(facts: Mapping[str, Json], first: str) -> str:
    """A text with these facts, if an obvious one has them; `first` is tried first, else stays."""
    for text in (first, *_candidates({name: f for name, f in facts.items() if f is not MISSING})):
        found = read(text, facts.keys())
        if all(found.get(name) == fact for name, fact in facts.items()):
            return text
    return first


def _candidates(facts: Mapping[str, Json]) -> Iterator[str]:
    host = facts.get("host") or facts.get("domain") or facts.get("ip")
    path = facts.get("path")
    for scheme in (facts.get("scheme"), "https", "http"):
        if host and scheme:
            yield from _urls(scheme, str(host), facts)
    if host:
        yield str(host)
        yield f"{host}:{facts.get('port', 443)}"
    mail = facts.get("address_domain") or facts.get("domain")
    if mail or "address_local" in facts:
        yield f"{facts.get('address_local', 'someone')}@{mail or 'example.com'}"
    if path:
        yield str(path)
        yield from (f"{path}/../../../../..", f"~/{path}", f"{path}\\", f"~/{path}\\")
    for fact in ("instant", "ip", "url_path"):
        if fact in facts:
            yield str(facts[fact])
    yield from _fixed(facts)


def _urls(scheme: str, host: str, facts: Mapping[str, Json]) -> Iterator[str]:
    userinfo = "someone@" if facts.get("has_userinfo") else ""
    name = f"[{host}]" if ":" in host else host
    port = f":{facts['port']}" if "port" in facts else ""
    yield f"{scheme}://{userinfo}{name}{port}{facts.get('url_path', '/')}"


def _fixed(facts: Mapping[str, Json]) -> Iterator[str]:
    scheme = facts.get("scheme", "https")
    yield from ("../x", "/../x", "/x", "x", "x\\y", "/x\\y", "..\\x/..", "", "~")
    yield from (f"{scheme}://example.com/", f"{scheme}:x", f"{scheme}://someone@example.com/")
    yield from ("https://example.com\\@evil.example/", "http://[::1]/", "10.0.0.1", "10.0.0.0/8")
    yield from ("someone@example.com", "2026-01-31T10:00:00Z")
    length = facts.get("length", facts.get("bytes", 0))
    if 0 < length < 1_000_000:
        yield "x" * length
        wide = facts.get("bytes", 0) - length
        if 0 < wide <= length:
            yield "é" * wide + "x" * (length - wide)
