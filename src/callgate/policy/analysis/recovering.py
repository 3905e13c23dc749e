"""Obvious arguments to try, where an example must have certain derived facts or JSON text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from callgate.model import Json

_MOST_CHARACTERS = 100_000


def texts(facts: Mapping[str, Json]) -> Iterator[str]:
    """Texts that may have these facts; those not named need not be there."""
    host, domain = facts.get("host"), facts.get("domain")
    hosts = [one for one in (host, domain, facts.get("ip")) if isinstance(one, str) and one]
    hosts = [f"www{one}" if one.startswith(".") else one for one in hosts]
    hosts += [f"www.{domain}"] if domain else []
    hosts += ["example.com", "www.example.com"]
    schemes = [one for one in (facts.get("scheme"), "https", "http") if isinstance(one, str)]
    for name in hosts:
        yield from _urls(name, schemes, facts)
    for name in hosts:
        yield name
        yield f"{name}:{facts.get('port', 443)}"
        yield f"{facts.get('address_local', 'someone')}@{facts.get('address_domain') or name}"
    path = facts.get("path")
    if isinstance(path, str):
        yield from (path, f"{path}/../../../../../..", f"~/{path}", f"{path}\\", f"~/{path}\\")
    yield from (str(facts[name]) for name in ("instant", "ip", "url_path") if name in facts)
    yield from _plain(schemes[0])
    yield from _long(facts)


def _urls(host: str, schemes: Sequence[str], facts: Mapping[str, Json]) -> Iterator[str]:
    name = f"[{host}]" if ":" in host else host
    port = f":{facts['port']}" if "port" in facts else ""
    userinfo = "someone@" if facts.get("has_userinfo") else ""
    for scheme in schemes:
        for path in (facts.get("url_path", "/"), "/"):
            yield f"{scheme}://{userinfo}{name}{port}{path}"


def _plain(scheme: str) -> Iterator[str]:
    yield from ("../x", "/../x", "/x", "x", "x\\y", "/x\\y", "..\\x/..", "", "~", "\0")
    yield from (f"{scheme}:x", "https://example.com\\@evil.example/", "http://[::1]/")
    yield from ("10.0.0.1", "10.0.0.0/8", "http://10.0.0.1/", "2026-01-31T10:00:00Z")


def _long(facts: Mapping[str, Json]) -> Iterator[str]:
    size = facts.get("bytes", facts.get("length", 0))
    length = facts.get("length", size)
    if 0 < length <= size < _MOST_CHARACTERS:
        wide = min(size - length, length)
        yield "é" * wide + "x" * (length - wide)


def json_values(pieces: Sequence[str], first: str) -> Iterator[Json]:
    """Values whose JSON text may have these pieces in it; `first` is tried as their text."""
    for text in (first, *pieces, "".join(pieces)):
        try:
            yield msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError):
            continue
    inner = [piece.strip('"{}[]:, ') for piece in pieces]
    inner = [piece for piece in inner if piece]
    text = " ".join(inner) or "text"
    yield from (text, {"key": text}, [text], {piece: 1 for piece in inner}, inner)
    yield from ("".join(inner), {}, [], {"key": "text"}, ["text"], 1, 0.5, True, False, None)
