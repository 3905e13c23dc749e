"""What a string says as a path, a URL, an address or a time, so that policies need not parse."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Interface, ip_address, ip_interface
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import ada_url

from callgate.model import Json

if TYPE_CHECKING:
    from tldextract import TLDExtract

MAX_URL_CHARACTERS = 8_192  # a longer text is not read as a URL
MAX_HOST_CHARACTERS = 253  # RFC 1035, written out
MAX_BARE_CHARACTERS = MAX_HOST_CHARACTERS + len(":65535")
MAX_MAIL_CHARACTERS = 512
MAX_HOSTS = 4_096  # remembered: most agents talk to few

_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_IPV4, _IPV6 = ada_url.HostType.IPV4, ada_url.HostType.IPV6
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.?)")
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/\\?#@:%\[\]<>,;]+):([0-9]{1,5})")
_BARE_HOST = re.compile(r"[^\s/\\?#@:%\[\]<>,;]+\.[^\s/\\?#@:%\[\]<>,;]+")
_NUMBER = r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)"
_BARE_IPV4 = re.compile(rf"{_NUMBER}(?:\.{_NUMBER}){{3}}|(?=.*[xX]){_NUMBER}(?:\.{_NUMBER}){{1,2}}")
_BARE_IPV6 = re.compile(r"(?=[^:]*:[^:]*:)[0-9A-Fa-f:.]+|\[[0-9A-Fa-f:.]+\]")
_NETWORK = re.compile(r"[0-9A-Fa-f:.]+/[0-9]{1,3}")
_UNEVEN = re.compile(r"[\x00-\x20\x7f\\]")  # what URL parsers drop or turn round, each its own way
_ADDRESS = re.compile(
    r"(?:[^<>@,;:\"\\()\[\]\r\n]*<|\"[^\"\\<>@\r\n]*\"\s*<|(?=[^>]*$))"
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)"
    r"@([^\s@<>\[\]()\",;:\\]+)>?"
)
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2})))?"
)

Facts = dict[str, Json]


def read(text: str, wanted: Collection[str]) -> Facts:
    """The facts among `wanted` that apply to a string, as Cedar JSON."""
    found: Facts = {}
    for names, reading in _READINGS:
        if not names.isdisjoint(wanted):
            found.update(reading(text))
    return {name: fact for name, fact in found.items() if name in wanted}


def _size(text: str) -> Facts:
    return {"length": len(text), "bytes": len(text.encode())}


def _path(text: str) -> Facts:
    """As a POSIX path, without looking at any file system: links are not followed."""
    is_absolute, has_backslash = text.startswith("/"), "\\" in text
    told = {"is_absolute": is_absolute, "has_backslash": has_backslash}
    if not text or "\0" in text:  # what comes after the NUL is dropped by some, and so anywhere
        return {**told, "escapes": bool(text)}
    escapes = text.startswith("~")  # shells and many tools put a home directory there
    kept: list[str] = []
    for part in text.split("/"):
        if part == "..":
            if kept and kept[-1] != "..":
                kept.pop()
                continue
            escapes = True
            if not is_absolute:
                kept.append(part)
        elif part not in ("", "."):
            kept.append(part)
    path = "/" + "/".join(kept) if is_absolute else "/".join(kept) or "."
    return {**told, "path": path, "escapes": escapes}


def _web(text: str) -> Facts:
    return {"has_userinfo": False, "is_ambiguous": False, **_place(text)}


def _place(text: str) -> Facts:
    """As a URL, or else as a host with or without a port."""
    if len(text) > MAX_URL_CHARACTERS:
        found = _SCHEME.match(text)
        if found is None:
            return {}
        may_have_host = found[2] in ("/", "\\")
        return {"scheme": found[1].lower(), **({"is_ambiguous": True} if may_have_host else {})}
    return {} if _NETWORK.fullmatch(text) else _bare(text) or _url(text)


def _url(text: str) -> Facts:
    """As the WHATWG standard and RFC 3986 read it; hosts only where the two find the same."""
    try:
        url = ada_url.URL(text)
    except ValueError:
        return {"is_ambiguous": True} if _authority(text) else {}
    scheme = url.protocol[:-1].lower()
    authority = _authority(text)
    if not url.hostname and not authority:
        return {"scheme": scheme}
    facts: Facts = dict(_host(url.hostname))
    port = int(url.port) if url.port else _PORTS.get(scheme)
    if not facts or not _is_even(text, scheme, facts["host"], port):
        return {"scheme": scheme, "is_ambiguous": True}
    if port is not None:
        facts["port"] = port
    return {
        "scheme": scheme,
        "url_path": url.pathname,
        "has_userinfo": "@" in authority,
        **facts,
    }


def _authority(text: str) -> str:
    """What RFC 3986 has between `//` and the path, `?` where even that cannot be said."""
    try:
        return urlsplit(text).netloc
    except ValueError:
        return "?"


def _is_even(text: str, scheme: str, host: str, port: int | None) -> bool:
    """Whether every reader of the URL finds this host and port in it."""
    if _UNEVEN.search(text) is not None:
        return False
    try:
        split = urlsplit(text)
        name, number = split.hostname or "", split.port
    except ValueError:
        return False
    if "%" in name or "@" in split.netloc.rpartition("@")[0]:
        return False
    seen = _host(f"[{name}]" if ":" in name else name)
    return seen.get("host") == host and (number or _PORTS.get(scheme)) == port


@lru_cache(maxsize=MAX_HOSTS)
def _host(name: str) -> Mapping[str, str]:
    """A host in the form in which browsers compare them, its domain or IP address; none: {}."""
    if len(name) > MAX_HOST_CHARACTERS or not _is_one_name(name):
        return {}
    try:
        url = ada_url.URL(f"http://{name}/")
    except ValueError:
        return {}
    host = url.hostname
    if url.host_type in (_IPV4, _IPV6):
        host = host.strip("[]")
        return {"host": host, "ip": _ip(ip_address(host))}
    host = host.removesuffix(".")
    if not host:
        return {}
    domain = registrable(host)
    return {"host": host, **({"domain": domain} if domain else {})}


def _is_one_name(name: str) -> bool:
    """Whether the older and the newer rules for names beyond ASCII lead to the same host."""
    if name.isascii():
        return True
    try:
        return ada_url.URL(f"http://{name}/").hostname == name.encode("idna").decode().lower()
    except ValueError:
        return False


@cache
def _suffixes() -> TLDExtract:
    # The list that came with the package, never the network or a cache. With its private part, as
    # browsers do: a.github.io and b.github.io belong to different people.
    from tldextract import TLDExtract  # noqa: PLC0415 - 8 MB, where a policy reads a domain

    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def registrable(host: str) -> str:
    """The part of a host that somebody registered: `example.co.uk`; "" where there is none."""
    return _suffixes().extract_str(host).top_domain_under_public_suffix


def _ip(address: IPv4Address | IPv6Address) -> str:
    """Cedar's text; an IPv4 address inside an IPv6 one is where packets go: that one."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _bare(text: str) -> Facts:
    """As a host without a scheme: what is a name only by guess needs a known suffix or a port."""
    if len(text) > MAX_BARE_CHARACTERS:
        return {}
    with_port = _HOST_PORT.fullmatch(text)
    if with_port is not None:
        name, port = with_port[1], int(with_port[2])
        facts: Mapping[str, str] = {} if name.isdecimal() or port > 65_535 else _host(name)
        return {**facts, "port": port} if facts else {}
    if _BARE_IPV6.fullmatch(text) is not None:
        facts = _host(text if text.startswith("[") else f"[{text}]")
    elif _BARE_IPV4.fullmatch(text) is not None:
        facts = _host(text)
    elif _BARE_HOST.fullmatch(text) is not None:
        facts = _host(text)
        if "domain" not in facts:
            return {}
    else:
        return {}
    return dict(facts)


def _network(text: str) -> Facts:
    """As an IP address or a range of them (`10.0.0.0/8`)."""
    if _NETWORK.fullmatch(text) is None:
        return {}
    try:
        found = ip_interface(text)
    except ValueError:
        return {}
    is_mapped = isinstance(found, IPv6Interface) and found.ipv4_mapped is not None
    return {} if is_mapped else {"ip": found.with_prefixlen}


def _mail(text: str) -> Facts:
    """As one e-mail address, with or without a name before it: `Ada <ada@example.com>`."""
    found = _ADDRESS.fullmatch(text) if len(text) <= MAX_MAIL_CHARACTERS else None
    if found is None:
        return {}
    facts = _host(found[2])
    if not facts or "ip" in facts:
        return {}
    domain = {"domain": facts["domain"]} if "domain" in facts else {}
    return {"address_local": found[1], "address_domain": facts["host"], **domain}


def _time(text: str) -> Facts:
    """As an RFC 3339 instant, in whole milliseconds, or as a date: its first instant in UTC."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return {}
    day, clock, fraction, sign, hours, minutes = found.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}").replace(tzinfo=UTC)
        offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        if offset >= timedelta(days=1) or int(minutes or 0) > 59:
            return {}
        at = at + offset if sign == "-" else at - offset
    except (ValueError, OverflowError):
        return {}
    milliseconds = (fraction or "")[:3].ljust(3, "0")
    return {"instant": f"{at.replace(tzinfo=None).isoformat()}.{milliseconds}Z"}


_READINGS: tuple[tuple[frozenset[str], Callable[[str], Facts]], ...] = (
    (frozenset({"length", "bytes"}), _size),
    (frozenset({"path", "is_absolute", "escapes", "has_backslash"}), _path),
    (
        frozenset(
            {"scheme", "host", "port", "domain", "ip", "url_path", "has_userinfo", "is_ambiguous"}
        ),
        _web,
    ),
    (frozenset({"ip"}), _network),
    (frozenset({"address_local", "address_domain", "domain"}), _mail),
    (frozenset({"instant"}), _time),
)
