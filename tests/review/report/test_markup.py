"""Whatever text is put into a page stays a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.review.report.markup import Html, el, join, lines, text
from fakes.pages import HOSTILE, read


def test_an_element_has_escaped_children_and_attributes() -> None:
    made = el("p", "a < b", el("b", "c"), class_='x"y', data_n=2.50, hidden=True, id=None)

    assert made.markup == '<p class="x&quot;y" data-n="2.5" hidden>a &lt; b<b>c</b></p>'


def test_void_elements_close_themselves_unless_they_hold_something() -> None:
    assert el("rect", x=1).markup == '<rect x="1"/>'
    assert el("rect", el("title", "t"), x=1).markup == '<rect x="1"><title>t</title></rect>'


def test_names_are_never_outside_text() -> None:
    with pytest.raises(ValueError, match="no name"):
        el("p onclick=x")
    with pytest.raises(ValueError, match="no name"):
        el("p", **{"a b": "x"})


def test_what_could_fool_the_eye_is_written_out_and_long_texts_are_cut() -> None:
    assert text("a\u202eb\x1b").markup == r"a\u202eb\x1b"
    assert text("x" * 5000).markup.endswith("… (5000 characters)")
    assert lines("a\nb\x00").markup == "a\nb\\x00"


def test_parts_are_joined_and_none_is_nothing() -> None:
    assert join([el("b", "x"), el("b", None)]).markup == "<b>x</b><b></b>"
    assert el("p", [el("b"), Html("y")]).markup == "<p><b></b>y</p>"


@given(st.text())
def test_any_text_comes_out_as_text(said: str) -> None:
    assert read(f"<p>{text(said).markup}</p>").tags == ["p"]
    assert read(el("p", said, class_=said).markup).tags == ["p"]


def test_hostile_text_comes_out_as_text() -> None:
    reading = read(el("p", HOSTILE, el("a", HOSTILE, href="#call-1"), class_=HOSTILE).markup)

    assert reading.tags == ["p", "a"]
    assert "<script>alert(1)</script>" in reading.text
