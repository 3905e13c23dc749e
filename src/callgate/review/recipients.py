"""Whom arguments name as receivers: addresses, hosts, numbers, channels, accounts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import ada_url

from callgate.model import Json
from callgate.review.leaves import Leaf, leaves

_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_URL = re.compile(r"(?i)\bhttps?://[^\s\"'<>`]{1,2048}")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}\b")
_PHONE = re.compile(r"\+\d[\d ()/-]{6,18}\d")
_NAMES = (
    "to cc bcc recipient recipients receiver channel room user user_id account account_id iban "
    "destination target_email email emails address addresses url webhook callback endpoint host "
    "phone number chat chat_id repo repository bucket payee beneficiary invitee assignee"
)
_FIELDS = frozenset(_NAMES.split())
MAX_TEXT = 10_000  # characters of one text that are looked through


class Recipient(NamedTuple):
    """Somebody or something that is named as a receiver."""

    name: str  # folded: `bob@example.com`, `example.com`, `#general`
    domain: str  # of an address or a URL; "" where there is none
    path: str  # where in the arguments


def recipients(arguments: Json) -> Iterator[Recipient]:
    """Each once."""
    seen: set[str] = set()
    for leaf in leaves(arguments):
        for name, domain in _named(leaf):
            if name not in seen:
                seen.add(name)
                yield Recipient(name, domain, leaf.path)


def _named(leaf: Leaf) -> Iterator[tuple[str, str]]:
    text = str(leaf.value)[:MAX_TEXT]
    is_field = leaf.field.casefold() in _FIELDS
    found = False
    for mail in _MAIL.findall(text):
        found = True
        name = mail.casefold()
        yield name, name.rpartition("@")[2]
    for url in _URL.findall(text):
        host = _host(url)
        if host:
            found = True
            yield host, host
    for form in (_IBAN, _PHONE):
        for number in form.findall(text):
            found = True
            yield re.sub(r"[ ()/-]", "", number), ""
    if is_field and not found and 0 < len(text.strip()) <= 200:
        yield text.strip().casefold(), ""


def _host(url: str) -> str:
    try:
        return ada_url.URL(url.rstrip(").,;]!")).hostname.rstrip(".")
    except ValueError:
        return ""
