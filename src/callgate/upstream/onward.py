"""Headers that interceptors want sent: which a target takes, and which nobody may have sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from callgate.protocol.outbound import Headers

AUTHORIZATION = "authorization"
MAX_VALUE_CHARACTERS = 8192

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?")

# What frames a message, says who speaks, or belongs to a browser. As at AgentCore, and hop by hop.
RESTRICTED = frozenset(
    {"connection", "cookie", "date", "expect", "forwarded", "host", "keep-alive"}
    | {"last-event-id", "location", "origin", "permissions-policy", "referer", "referrer-policy"}
    | {"server", "set-cookie", "strict-transport-security", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "user-agent", "via", "www-authenticate", "x-content-type-options"}
    | {"x-frame-options", "x-xss-protection"}
)
RESTRICTED_PREFIXES = (
    "accept",
    "access-control-",
    "authorization-",
    "content-",
    "cross-origin-",
    "mcp-",
    "proxy-",
    "sec-",
)


def checked_names(names: Iterable[str]) -> frozenset[str]:
    """The names in lower case. Raises ValueError for one that no interceptor may have sent."""
    found = frozenset(name.lower() for name in names)
    for name in sorted(found):
        if not _TOKEN.fullmatch(name):
            raise ValueError(f"{name[:40]!r} is not a header name")
        if name in RESTRICTED or name.startswith(RESTRICTED_PREFIXES):
            raise ValueError(f"{name} can never be passed on; remove it")
    return found


def passed(wanted: Mapping[str, str], taken: frozenset[str]) -> Headers:
    """What is sent of the headers that interceptors want sent. Raises ValueError.

    INVARIANT: no value can end its line, or is more than visible ASCII.
    """
    found = [(name, value) for name, value in wanted.items() if name in taken]
    for name, value in found:
        if len(value) > MAX_VALUE_CHARACTERS or not _VALUE.fullmatch(value):
            raise ValueError(f"the header {name} has a value that cannot be sent")
    return found
