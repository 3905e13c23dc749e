"""A page runs nothing and loads nothing, and says so to the browser."""

import base64
import hashlib
import re

from callgate.review.report.markup import el
from callgate.review.report.page import STYLE, page
from fakes.pages import HOSTILE, read


def test_the_policy_lets_in_just_the_style_of_the_page() -> None:
    made = page("x", [el("p", "hello")])
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', made)
    assert policy == (
        f"default-src &#x27;none&#x27;; style-src &#x27;sha256-{digest}&#x27;; "
        "base-uri &#x27;none&#x27;; form-action &#x27;none&#x27;"
    )
    assert f"<style>{STYLE}</style>" in made


def test_a_page_has_no_script_and_no_address() -> None:
    made = page(HOSTILE, [el("p", HOSTILE)])

    assert "<script" not in made
    assert not re.search(r"(?:src|href)=|url\(|@import", page("x", [el("p", "hello")]))
    assert read(made).tags.count("title") == 1


def test_the_style_is_for_light_dark_and_paper() -> None:
    for wanted in ("prefers-color-scheme: dark", "@media print", "max-width: 640px"):
        assert wanted in STYLE
    assert "<" not in STYLE
