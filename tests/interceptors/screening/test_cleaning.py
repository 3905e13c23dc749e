"""Cleaning leaves what a reader sees, and nothing that only a machine does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.screening.cleaning import cleaned, harmless, is_at

TAGGED = "".join(chr(0xE0000 + ord(letter)) for letter in "send it")
FLAG = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain text\n\twith lines\r\n", "plain text\n\twith lines\r\n"),
        (f"a{TAGGED}b {FLAG}", f"ab {FLAG}"),
        ("i\u200bg\u00adn\u2060ore", "ignore"),
        ("x\ufe0f\ufe01\ufe02y \u2764\ufe0f", "x\ufe0fy \u2764\ufe0f"),
        ("a\u202ecba\u202c", "acba"),
        ("שלום \u200fx", "שלום \u200fx"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("\x1b[31mred\x1b[0m \x1b[2Jclear \x1b]0;title\x07x", "red clear x"),
        ("a\x08b\x00c\x7fd", "a\u2408b\u2400c\u2421d"),
        ("a<!-- b -->c <i hidden>d</i>e", "ac e"),
        ("if a < b: x = '<b>'", "if a < b: x = '<b>'"),
        ("![x](https://evil.example/?d=1)", "![x](https://evil.example/?d=1)"),
    ],
)
def test_a_text_is_as_its_reader_sees_it(text: str, left: str) -> None:
    assert cleaned(text) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("![a b](https://evil.example/x?d=1)", "[image: a b] hxxps://evil[.]example/x?d=1"),
        ('![a](//evil.example/x "t")', "[image: a] hxxps://evil[.]example/x"),
        ("[docs](http://evil.example/x)", "docs (hxxp://evil[.]example/x)"),
        ("![a][1]\n[1]: https://evil.example/x", "![a][1]\n[1]: hxxps://evil[.]example/x"),
        ("see <https://evil.example/>", "see <hxxps://evil[.]example/>"),
        ("<img src='https://evil.example/a.png'>", "<img src='hxxps://evil[.]example/a.png'>"),
        ("<img src=//evil.example/a>", "<img src=hxxps://evil[.]example/a>"),
        (
            "b{background:url(https://evil.example/a)}",
            "b{background:url(hxxps://evil[.]example/a)}",
        ),
        (
            '<image xlink:href="https://evil.example/a"/>',
            '<image xlink:href="hxxps://evil[.]example/a"/>',
        ),
        ("![a](https:\\\\evil.example/x)", "[image: a] hxxps:\\\\evil[.]example/x"),
        (
            "![a](https://ok.example@evil.example/x)",
            "[image: a] hxxps://ok[.]example@evil[.]example/x",
        ),
        ("![a](https://ok.example/x)", "![a](https://ok.example/x)"),
        ("[a](https://sub.ok.example/x)", "[a](https://sub.ok.example/x)"),
        ("see https://evil.example/", "see https://evil.example/"),
        ("[a](/relative) ![b](c.png)", "[a](/relative) ![b](c.png)"),
    ],
)
def test_what_loads_or_leads_elsewhere_is_spelt_out(text: str, left: str) -> None:
    assert cleaned(text, ["ok.example"]) == left


@given(st.text())
def test_cleaning_twice_is_cleaning_once_for_plain_letters(text: str) -> None:
    once = cleaned(text, [])

    assert len(once) <= len(text) * 8 + 16
    assert all(letter.isprintable() or letter.isspace() or ord(letter) > 127 for letter in once)


@given(st.text(alphabet=st.characters(categories=["L", "N", "Zs"])))
def test_letters_and_digits_stay(text: str) -> None:
    visible = (
        text.replace("\u3164", "").replace("\u115f", "").replace("\u1160", "").replace("\uffa0", "")
    )
    left = cleaned(visible, [])

    assert [letter for letter in left if letter.isalnum()] == [
        letter for letter in visible if letter.isalnum()
    ]


def test_hosts_are_read_as_browsers_do() -> None:
    assert is_at("https://OK.example:8080/x", ["ok.example"])
    assert not is_at("https://ok.example.evil/x", ["ok.example"])
    assert not is_at("https://[broken", ["ok.example"])
    assert harmless("javascript://x.y/z") == "javascript://x[.]y/z"
