"""URLs in what goes out: which hosts they name, and whether they can carry data there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import ada_url

MAX_URLS = 1_000  # of one text
MAX_URL = 8_192
LONG_PART = 32  # characters of a label or of a step of a path that may be data

_URL = re.compile(r"(?i)(?:[a-z][a-z0-9+.-]{0,30}:)?[/\\]{2,}[^\s\"'<>`]{1,8192}")
_EMBEDDED = re.compile(
    r"(?i)!\[[^\]]{0,500}\]\s?[(\[]|(?:src|srcset|href|background|poster|data|action|xlink:href)\s?="
    r"|url\s?\(|@import"
)


class Address(NamedTuple):
    """A URL in a text."""

    host: str  # as browsers read it; "" where they read none
    carries_data: bool


def addresses(text: str) -> Iterator[Address]:
    """Every URL of the text, those without a scheme among them."""
    if "//" not in text and "\\\\" not in text and "/\\" not in text and "\\/" not in text:
        return
    is_embedded = _EMBEDDED.search(text) is not None
    for number, found in enumerate(_URL.finditer(text)):
        if number == MAX_URLS:
            yield Address("", carries_data=True)  # too many to look at
            return
        written = found[0].rstrip(").,;]!")
        if written.startswith(("/", "\\")) and not _begins(text, found.start()):
            continue  # a double slash inside of a path
        yield _read(written, is_embedded)


def _begins(text: str, at: int) -> bool:
    return at == 0 or text[at - 1] in " \t\n\"'(<=[`,"


def _read(written: str, is_embedded: bool) -> Address:
    try:
        url = ada_url.URL(written if ":" in written[:32] else f"https:{written}")
    except ValueError:
        return Address("", carries_data=True)
    parts = (*url.pathname.split("/"), *url.hostname.split("."))
    carries_data = bool(url.search or url.hash or url.username or url.password)
    carries_data = carries_data or any(len(part) >= LONG_PART for part in parts)
    return Address(url.hostname.rstrip("."), carries_data or is_embedded)


def is_allowed(host: str, domains: Iterable[str]) -> bool:
    """Whether the host is one of the domains or below one of them."""
    return bool(host) and any(host == one or host.endswith(f".{one}") for one in domains)
