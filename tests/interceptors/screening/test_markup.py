"""Hidden markup is found whatever way it is hidden, and in linear time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.screening.markup import hidden, is_hiding


@pytest.mark.parametrize(
    "markup",
    [
        "<!-- secret -->",
        "<!-- secret",
        '<span style="display:none">secret</span>',
        '<span style="DISPLAY : NONE">secret</span>',
        "<span style='visibility: hidden'>secret</span>",
        '<p style="font-size:0">secret</p>',
        '<p style="font-size: 0.1px">secret</p>',
        '<p style="opacity:0">secret</p>',
        '<p style="color:white">secret</p>',
        '<p style="color:#fff;background-color:#FFFFFF">secret</p>',
        '<p style="color: rgba(0,0,0,0)">secret</p>',
        '<p style="position:absolute;left:-9999px">secret</p>',
        '<p style="height:0;overflow:hidden">secret</p>',
        '<p style="dis/* */play:none">secret</p>',
        '<p style="display&#58;none">secret</p>',
        "<div hidden>secret</div>",
        '<div data-x=">" hidden>secret</div>',
        "<template>secret</template>",
        "<div hidden>a<div>secret</div>b</div>",
        "<div hidden>secret",
    ],
)
def test_hidden_text_is_found(markup: str) -> None:
    (part,) = hidden(f"shown {markup}")

    assert "secret" in part.text and part.start == 6


@pytest.mark.parametrize(
    "markup",
    [
        '<td style="color:white;background:black">shown</td>',
        '<p style="font-size:10px;opacity:0.5;line-height:0">shown</p>',
        '<p style="min-height:0;width:0.5em">shown</p>',
        "<p class=hidden>shown</p>",
        "a < b and c > d",
        "<br hidden>shown",
        "vector<int> x; if (a<b) {}",
    ],
)
def test_shown_text_is_not(markup: str) -> None:
    assert list(hidden(markup)) == []


def test_parts_come_in_order_and_stand_where_they_are() -> None:
    text = "a<!-- b -->c<i hidden>d<i>e</i></i>f"

    parts = list(hidden(text))

    assert [(part.what, part.text) for part in parts] == [
        ("comment", "b"),
        ("hidden element", "d e"),
    ]
    assert [text[part.start : part.end] for part in parts] == [
        "<!-- b -->",
        "<i hidden>d<i>e</i></i>",
    ]


@pytest.mark.parametrize(
    "piece",
    ["<a", "<a '", '<a "', "<a '\"", "<!--", "<!-", "<div hidden>", "<a b=", "</", "<a b='c"],
)
def test_broken_markup_takes_no_longer(piece: str) -> None:
    started = time.process_time()

    list(hidden(piece * 100_000))

    assert time.process_time() - started < 5


@given(st.text(alphabet="<>!-/ab \"'=style:hidden;"))
def test_no_markup_is_too_strange(text: str) -> None:
    end = 0
    for part in hidden(text):
        assert end <= part.start < part.end <= len(text)
        end = part.end


def test_an_attribute_in_a_value_hides_nothing() -> None:
    assert not is_hiding("p", ' title="hidden style=display:none"')
