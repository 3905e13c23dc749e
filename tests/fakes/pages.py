"""HTML read as a browser's parser would, so that what got into a page shows."""

from __future__ import annotations

from html.parser import HTMLParser

HOSTILE = (
    "</script></style></title></pre><script>alert(1)</script><img src=x onerror=alert(2)>"
    "\u202egnirts\x1b[31mred\x07 \"'`&lt; --> ]]> <!-- javascript:alert(1) \ud800\r\n\x00"
)
TAGS = frozenset(
    [
        "html",
        "head",
        "body",
        "main",
        "meta",
        "title",
        "style",
        "p",
        "h1",
        "h2",
        "h3",
        "div",
        "span",
        "b",
        "a",
        "code",
        "pre",
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "details",
        "summary",
        "footer",
        "svg",
        "text",
        "rect",
        "line",
        "path",
        "circle",
    ]
)
ATTRIBUTES = frozenset(
    [
        "charset",
        "http-equiv",
        "content",
        "name",
        "lang",
        "class",
        "id",
        "href",
        "scope",
        "viewbox",
        "role",
        "aria-label",
        "width",
        "height",
        "x",
        "y",
        "x1",
        "x2",
        "y1",
        "y2",
        "cx",
        "cy",
        "r",
        "rx",
        "d",
        "transform",
        "text-anchor",
        "fill-opacity",
        "stroke-width",
    ]
)


class Reading(HTMLParser):
    """Collects what a page holds; `problems` is what should not be there."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in TAGS:
            self.problems.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES:
                self.problems.append(f"{tag} {name}={value}")
            if name == "href" and not (value or "").startswith("#call-"):
                self.problems.append(f"href {value}")
        self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.problems.append(f"</{tag}>")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"comment {data}")

    def handle_data(self, data: str) -> None:
        if self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


def read(page: str) -> Reading:
    """What is in a page; fails where anything is that reports do not make."""
    reading = Reading()
    reading.feed(page)
    reading.close()
    assert not reading.problems, reading.problems[:5]
    assert not reading._open
    assert all(letter.isprintable() or letter == "\n" for letter in reading.text)
    return reading
