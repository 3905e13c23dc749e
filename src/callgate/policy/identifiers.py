"""Ids for policies that somebody else had the idea of: letters, digits and `-`, and never twice."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

MAX_ID_CHARACTERS = 60


def fresh_id(wanted: str, taken: Collection[str]) -> str:
    """An id made of what somebody wanted, that no other policy has."""
    plain = unicodedata.normalize("NFKD", wanted).encode("ascii", "ignore").decode().lower()
    slug = "-".join(re.findall(r"[a-z0-9]+", plain))[:MAX_ID_CHARACTERS].strip("-") or "draft"
    number, identifier = 1, slug
    while identifier in taken:
        number += 1
        identifier = f"{slug}-{number}"
    return identifier
