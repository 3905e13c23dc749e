import pytest

from callgate.authoring.hidden import hidden_in, one_line, shown


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("permit (principal, action, resource);\n\twhen { true }", ()),
        ("naïve – “café” 日本 👍", ()),
        ("a\x1b[2Jb", ("U+001B",)),
        ("a\u202eb\u2066c", ("U+202E", "U+2066")),
        ("pay\u200bpal", ("U+200B",)),
        ("a\rb\x85\u2028", ("U+000D", "U+0085", "U+2028")),
        ("a\x00b\ufeff", ("U+0000", "U+FEFF")),
        ("a\ue000b", ("U+E000",)),
    ],
)
def test_what_a_reader_would_not_see_is_found(text: str, found: tuple[str, ...]) -> None:
    assert hidden_in(text) == found


def test_what_is_shown_cannot_steer_a_terminal() -> None:
    assert shown("a\x1b[2J\u202eb\n") == "a\\u{1b}[2J\\u{202e}b\n"
    assert not hidden_in(shown("".join(map(chr, range(0x300)))))


def test_what_is_shown_is_not_endless() -> None:
    assert shown("x" * 100, most=10) == "x" * 9 + "…"


def test_a_line_stays_a_line() -> None:
    assert one_line("a\n\tb\r\nforbid (…);") == "a b\\u{d} forbid (…);"
