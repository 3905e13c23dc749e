"""A PostgreSQL URL as it stands in the settings: what is wrong with it, and how it is shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("postgresql", "postgres")
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_HERE = ("", "localhost", "::1")
EXAMPLE = "postgresql://callgate@db.example.com/callgate?sslmode=verify-full"


def is_url(text: str) -> bool:
    """Whether a text is meant as a URL of PostgreSQL, not as the name of a file."""
    return text.partition("://")[0].lower() in (*SCHEMES, "postgresql+psycopg")


def problem_with(url: str) -> str | None:
    """Why this cannot be a URL of a database, in words that do not repeat it: it may hold secrets.

    Addresses, ports and parameters are libpq's business, which says what is wrong when it connects.
    """
    try:
        parts = urlsplit(url)
        names = [name for name, _ in parse_qsl(parts.query, strict_parsing=bool(parts.query))]
    except ValueError:
        return f"is not a URL such as {EXAMPLE}"
    if parts.scheme not in SCHEMES:
        return f"must begin with postgresql://, as in {EXAMPLE}"
    # What a password has of these must not end up in a host's name, which errors repeat.
    if parts.fragment or parts.netloc.count("@") > 1 or "@" in parts.path or _BROKEN.search(url):
        return (
            "has `#`, `@`, `/` or `%` in its user or password: write them as %23, %40, %2F and "
            "%25, or put the password into PGPASSWORD"
        )
    if len(names) != len(set(names)):
        return "has a parameter twice"
    if parts.path.strip("/") == "" and "dbname" not in names and "service" not in names:
        return f"names no database: {EXAMPLE}"
    if "password" in names or "sslpassword" in names:
        return "has a password among its parameters: put it before the `@`, or into PGPASSWORD"
    return None


def is_unverified(url: str) -> bool:
    """Whether what is at the other end of a network is believed without a certificate."""
    parts = urlsplit(url)
    parameters = dict(parse_qsl(parts.query))
    if "host" in parameters:
        hosts = parameters["host"].split(",")
    else:
        hosts = [_without_port(host) for host in parts.netloc.rpartition("@")[2].split(",")]
    is_here = all(host in _HERE or host.startswith(("/", "127.")) for host in hosts)
    return not is_here and parameters.get("sslmode") not in ("verify-ca", "verify-full")


def _without_port(host: str) -> str:
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]


def shown(url: str) -> str:
    """The URL without user, password and parameters: for messages."""
    try:
        parts = urlsplit(url)
        dbname = unquote(parts.path.strip("/")) or dict(parse_qsl(parts.query)).get("dbname", "")
        hosts = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "postgresql://…"
    return f"postgresql://{hosts}/{dbname}"
