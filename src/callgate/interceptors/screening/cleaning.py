"""A text as its reader sees it: without what is invisible, hidden, or loads by itself."""

from __future__ import annotations

import re
from collections.abc import Iterable

import ada_url

from callgate.interceptors.screening import signs
from callgate.interceptors.screening.markup import hidden

_SYMBOLS = 0x2400  # the pictures of control characters
_LINK = r"(?P<to>(?:[a-zA-Z][a-zA-Z0-9+.-]{0,30}:)?[/\\]{2}[^\s<>\"'()]{1,4096})"
_IMAGE = re.compile(
    rf"!\[(?P<says>[^\]\[]{{0,1000}})\]\(\s{{0,8}}<?{_LINK}>?(?:\s[^()]{{0,500}})?\)"
)
_MARKED = re.compile(
    rf"(?<!!)\[(?P<says>[^\]\[]{{0,1000}})\]\(\s{{0,8}}<?{_LINK}>?(?:\s[^()]{{0,500}})?\)"
)
_REFERENCE = re.compile(rf"(?m)^(?P<before> {{0,3}}\[[^\]\[\n]{{1,500}}\]:\s{{0,8}}<?){_LINK}")
_AUTOLINK = re.compile(rf"(?P<before><){_LINK}(?=>)")
_EMBEDDED = re.compile(
    r"(?i)(?P<before>(?:\b(?:src|srcset|href|background|poster|data|action|formaction|cite|ping)"
    r"\s{0,8}=\s{0,8}[\"']?|\burl\s?\(\s{0,8}[\"']?|@import\s{1,8}[\"']?)\s{0,8})"
    rf"{_LINK}"
)


def cleaned(text: str, domains: Iterable[str] | None = None) -> str:
    """The text without invisible characters, terminal codes, comments and hidden elements.

    With `domains`, images and links to others no longer load or lead there by themselves; their
    addresses stay readable. Visible text stays.
    """
    if signs.ANSI.search(text) is not None:
        text = signs.ANSI.sub("", text)
    if not text.isascii():
        text = without_invisible(text)
    if "<" in text:
        text = without_hidden(text)
    if domains is not None and ("//" in text or "\\" in text):
        text = defused(text, tuple(domains))
    return signs.CONTROLS.sub(_picture, text)


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    return "\u2421" if code == 0x7F else chr(_SYMBOLS + code) if code < 0x20 else ""


def without_invisible(text: str) -> str:
    """The text without characters that say nothing to a reader; scripts keep what they need."""
    flags = signs.FLAG.findall(text)
    if signs.TAGS.search(text) is not None:
        text = signs.FLAG.sub("\x00", text)
        text = signs.TAGS.sub("", text)
        for flag in flags:
            text = text.replace("\x00", flag, 1)
    text = signs.SELECTORS.sub(lambda run: run[0][0], text)
    text = signs.INVISIBLE_RUN.sub("", text)
    text = signs.IN_WORDS.sub("", text)
    text = text.replace("\u200b", "").replace("\u00ad", "").replace("\u2060", "")
    text = text.removeprefix("\ufeff")
    if signs.BIDI.search(text) is None:
        return text
    if signs.RIGHT_TO_LEFT.search(text.replace("\ufeff", "")) is not None:
        return signs.OVERRIDES.sub("", text)
    return signs.BIDI.sub("", text)


def without_hidden(text: str) -> str:
    """The text without HTML comments and elements that are not shown."""
    kept, at = [], 0
    for part in hidden(text):
        kept.append(text[at : part.start])
        at = part.end
    return "".join((*kept, text[at:]))


def defused(text: str, domains: tuple[str, ...]) -> str:
    """The text with what loads or links elsewhere spelt so that no client follows it."""

    def spelt(found: re.Match[str]) -> str | None:
        return None if is_at(found["to"], domains) else harmless(found["to"])

    def image(found: re.Match[str]) -> str:
        address = spelt(found)
        return found[0] if address is None else f"[image: {found['says']}] {address}"

    def link(found: re.Match[str]) -> str:
        address = spelt(found)
        return found[0] if address is None else f"{found['says']} ({address})"

    def other(found: re.Match[str]) -> str:
        address = spelt(found)
        return found[0] if address is None else f"{found['before']}{address}"

    text = _IMAGE.sub(image, text)
    text = _MARKED.sub(link, text)
    for form in (_REFERENCE, _AUTOLINK, _EMBEDDED):
        text = form.sub(other, text)
    return text


def is_at(address: str, domains: Iterable[str]) -> bool:
    """Whether an address leads to one of the domains or below, as browsers read it."""
    try:
        url = ada_url.URL(address if ":" in address[:32] else f"https:{address}")
    except ValueError:
        return False
    host = url.hostname.rstrip(".")
    return any(host == one or host.endswith(f".{one}") for one in domains)


def harmless(address: str) -> str:
    """The address in the common spelling of what is not to be followed: `hxxps://a[.]example/`."""
    scheme, colon, rest = address.partition(":") if ":" in address[:32] else ("", "", address)
    scheme = scheme.lower().replace("tt", "xx") if "tt" in scheme.lower() else scheme
    slashes = rest[: len(rest) - len(rest.lstrip("/\\"))]
    host, slash, path = rest[len(slashes) :].partition("/")
    return f"{scheme or 'hxxps'}{colon or ':'}{slashes}{host.replace('.', '[.]')}{slash}{path}"
