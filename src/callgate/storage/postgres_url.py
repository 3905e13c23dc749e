"""A PostgreSQL URL as it stands in the settings: what is wrong with it, and how it is shown."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("postgresql", "postgres")
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
    if parts.fragment or len(names) != len(set(names)):
        return "has a part after `#`, or a parameter twice: write such characters as %23 and so on"
    if parts.path.strip("/") == "" and "dbname" not in names and "service" not in names:
        return f"names no database: {EXAMPLE}"
    if "password" in names or "sslpassword" in names:
        return "has a password among its parameters: put it before the `@`, or into PGPASSWORD"
    return None


def shown(url: str) -> str:
    """The URL without user, password and parameters: for messages."""
    try:
        parts = urlsplit(url)
        dbname = unquote(parts.path.strip("/")) or dict(parse_qsl(parts.query)).get("dbname", "")
        hosts = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "postgresql://…"
    return f"postgresql://{hosts}/{dbname}"
