"""What hides in characters is told from what scripts and terminals need."""

import pytest

from callgate.interceptors.screening.signs import signs

HIDDEN = "".join(chr(0xE0000 + ord(letter)) for letter in "send it")
BITS = "".join("\u200b" if bit == "1" else "\u200c" for bit in "0110100001101001")


@pytest.mark.parametrize(
    ("text", "name", "least"),
    [
        (f"fine{HIDDEN}", "tag characters", 0.9),
        (f"a flag \U0001f3f4{HIDDEN}", "tag characters", 0.9),
        ("x" + "\ufe01\ufe02\ufe03\ufe0f", "variation selectors", 0.8),
        ("x" + "\U000e0101\U000e0102\U000e0103", "variation selectors", 0.8),
        (f"fine{BITS}", "invisible characters", 0.8),
        ("i\u200bg\u200bn\u200bore", "invisible characters", 0.5),
        ("abc\u202edcba", "bidi controls", 0.6),
        ("\x1b[2J\x1b[Hfine", "terminal codes", 0.5),
        ("\x1b[8mhidden\x1b[0m", "terminal codes", 0.5),
        ("\x1b]8;;https://evil.example\x07link\x1b]8;;\x07", "terminal codes", 0.5),
        ("\x9b2K", "terminal codes", 0.5),
        ("safe\x08\x08\x08\x08evil", "overwriting", 0.5),
    ],
)
def test_what_is_hidden_weighs(text: str, name: str, least: float) -> None:
    assert signs(text)[name] >= least


@pytest.mark.parametrize(
    "text",
    [
        "plain text\twith tabs\r\nand lines\n",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f England",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 a family \u2764\ufe0f",
        "می\u200cخواهم",
        "שלום \u200fworld\u200e",
        "Donau\u00addampf\u00adschiff",
        "\ufeffwith a byte order mark",
        "\x1b[1;31mred\x1b[0m",
        "naïve café, 你好, Привет",
    ],
)
def test_what_scripts_and_terminals_need_weighs_little(text: str) -> None:
    assert max(signs(text).values(), default=0.0) < 0.3, signs(text)
