"""Markup that a reader does not see: comments, hidden elements; found in linear time."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import NamedTuple

MAX_TAGS = 20_000  # of one text; what stands after them is looked at as plain text
NO_TEXT = frozenset({"script", "style"})  # code, which nobody reads as text

_TAG = re.compile(
    r"<!--.*?(?:--!?>|\Z)"
    r"|<(?P<close>/?)(?P<name>[A-Za-z][A-Za-z0-9:-]{0,40})"
    r"(?P<attributes>(?>(?:[^<>\"']|\"[^\"]{0,4096}\"|'[^']{0,4096}'|[\"'])*))>",
    re.DOTALL,
)
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input"}
    | {"link", "meta", "param", "source", "track", "wbr", "path", "use"}
)
_ATTRIBUTE = re.compile(
    r"([A-Za-z_:][\w:.-]*)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?", re.DOTALL
)
_SAME = r"(?:#fff(?:fff)?|white|rgb\(255,255,255\)|rgba\(255,255,255,[0-9.]+\))"
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|font-size:0(?:\.0+)?(?:px|pt|em|rem|%|;|!|$)"
    r"|font-size:(?:0?\.[0-9]+|1)px|opacity:0(?:\.0+)?(?:;|!|$)|(?:^|;)(?:max-)?(?:height|width):0(?:px)?(?:;|!|$)"
    r"|(?:left|top|text-indent):-[0-9]{3,}|clip:rect\(0|clip-path:inset\((?:50|100)%|transform:scale\(0"
    r"|(?:^|;)color:(?:transparent|rgba\([0-9,]+,0(?:\.0+)?\))"
)
_WHITE = re.compile(rf"(?:^|;)color:{_SAME}")
_BACKGROUND = re.compile(r"background(?:-color)?:([^;]+)")
_SPACE = re.compile(r"\s+|/\*.{0,200}?\*/", re.DOTALL)


class Hidden(NamedTuple):
    """A part of a text that a reader of the page does not see."""

    start: int
    end: int
    what: str  # comment, hidden element
    text: str  # what it says, without its own markup


def hidden(text: str) -> Iterator[Hidden]:
    """The hidden parts of a text in order, none inside of another."""
    if "<" not in text:
        return
    name, depth, start = "", 0, 0
    for number, tag in enumerate(_TAG.finditer(text)):
        if number == MAX_TAGS:
            break
        found = (tag["name"] or "").lower()
        if depth:
            if found == name and not tag["attributes"].endswith("/"):
                depth += -1 if tag["close"] else 1
            if not depth:
                yield Hidden(start, tag.end(), "hidden element", said(text[start : tag.end()]))
        elif not found:
            yield Hidden(tag.start(), tag.end(), "comment", tag[0][4:].removesuffix("-->").strip())
        elif not tag["close"] and found not in _VOID and is_hiding(found, tag["attributes"]):
            name, depth, start = found, 1, tag.start()
    if depth:  # never closed: hidden to the end
        yield Hidden(start, len(text), "hidden element", said(text[start:]))


def is_hiding(name: str, attributes: str) -> bool:
    """Whether an element of this name with these attributes shows nothing of what is in it."""
    if name == "template":
        return True
    if not attributes.strip():
        return False
    for key, *values in _ATTRIBUTE.findall(attributes[:8192]):
        key = key.lower()
        if key == "hidden":
            return True
        if key == "style" and _hides(html.unescape("".join(values))):
            return True
    return False


def _hides(style: str) -> bool:
    plain = _SPACE.sub("", style.lower())
    if _HIDING.search(plain) is not None:
        return True
    background = _BACKGROUND.search(plain)
    is_light = background is None or re.match(_SAME, background[1]) is not None
    return _WHITE.search(plain) is not None and is_light


def said(markup: str) -> str:
    """The text of markup."""
    return html.unescape(_TAG.sub(" ", markup)).strip()
