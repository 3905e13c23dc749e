"""HTML that is built, never pasted: every text is made harmless and escaped where it is put in."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import NamedTuple

from callgate.audit.explain import printable

MAX_TEXT = 2_000  # characters of one text
_NAME = re.compile(r"[a-z][a-z0-9-]*", re.IGNORECASE)
_VOID = frozenset({"meta", "br", "line", "rect", "circle", "path"})

Attribute = str | int | float | bool | None


class Html(NamedTuple):
    """Markup that this module has made. INVARIANT: nothing else makes one of outside text."""

    markup: str


Child = str | Html | Iterable["Html"] | None


def text(said: str, most: int = MAX_TEXT) -> Html:
    """A text as it may stand anywhere: what could fool the eye or the page is written out."""
    shown = said if len(said) <= most else said[:most]
    more = f"… ({len(said)} characters)" if len(said) > most else ""
    return Html(html.escape(printable(shown) + more, quote=True))


def lines(said: str, most: int = MAX_TEXT) -> Html:
    """The same of a text with several lines, which stay lines."""
    shown = said if len(said) <= most else f"{said[:most]}… ({len(said)} characters)"
    return Html("\n".join(text(line, most + 40).markup for line in shown.split("\n")))


def el(tag: str, *children: Child, **attributes: Attribute) -> Html:
    """An element. Names of attributes: `class_`, `data_step`, `stroke_width`."""
    opening = [tag]
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        written = "viewBox" if name == "viewbox" else name.rstrip("_").replace("_", "-")
        if _NAME.fullmatch(written) is None:
            raise ValueError(f"{written!r} is no name of an attribute")
        if value is True:
            opening.append(written)
        else:
            said = (
                f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            )
            opening.append(f'{written}="{text(said).markup}"')
    if _NAME.fullmatch(tag) is None:
        raise ValueError(f"{tag!r} is no name of an element")
    if tag in _VOID and not children:
        return Html(f"<{' '.join(opening)}/>")
    inner = "".join(_child(child) for child in children)
    return Html(f"<{' '.join(opening)}>{inner}</{tag}>")


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child.markup
    if isinstance(child, str):
        return text(child).markup
    return "".join(one.markup for one in child)


def join(parts: Iterable[Html]) -> Html:
    """One after the other."""
    return Html("".join(part.markup for part in parts))
