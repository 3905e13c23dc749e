"""Other readings of a text, and the way back from each character of them."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.redacting.sights import (
    Sight,
    backwards,
    joined,
    rotated,
    softened,
    whole,
)

LETTERS = st.text("abcXYZ09 .@", max_size=20)


def traced(sight: Sight, part: str, text: str) -> str:
    """What stands in the document where `part` stands in the sight."""
    start = sight.text.index(part)
    begins, ends = sight.origin(start, start + len(part))
    return text[begins:ends]


@given(LETTERS, LETTERS)
def test_a_text_read_backwards_leads_back(before: str, after: str) -> None:
    text = f"{before}#{after}needle"

    assert traced(backwards(whole(text)), "eldeen", text) == "needle"
    assert traced(rotated(whole(text)), "arrqyr", text) == "needle"


@given(
    LETTERS,
    st.sampled_from(
        [
            ("a%40b", "a@b"),
            ("a%2540b", "a%40b"),
            ("%C3%A9", "é"),
            (r"\u0061\u0040\u0062", "a@b"),
            (r"\x61@b", "a@b"),
            (r"\ud83d\ude00!", "😀!"),
            ("a&#64;b", "a@b"),
            ("a&commat;b", "a@b"),
            ("a\u200b@\u2060b", "a@b"),
            ("a\u00ad@b", "a@b"),
            ("ａ＠ｂ", "a@b"),
            ("".join(chr(0xE0000 + ord(c)) for c in "a@b"), "a@b"),
            ("𝐚@𝟏", "a@1"),
            ("pаypal", "paypal"),  # the second letter is Cyrillic
            ("①②", "12"),
        ]
    ),
    LETTERS,
)
def test_odd_ways_to_write_are_undone_and_lead_back(
    before: str, pair: tuple[str, str], after: str
) -> None:
    written, plain = pair
    text = f"{before}<{written}>{after}"

    soft = softened(whole(text))

    assert soft is not None
    assert soft.text == f"{before}<{plain}>{after}"
    assert traced(soft, f"<{plain}>", text) == f"<{written}>"


def test_plain_text_has_no_softer_form() -> None:
    assert softened(whole("plain text, 100 % of it, a\\b")) is None
    assert softened(whole("Größe: Straße, 订单 заказ")) is None


def test_softening_twice_leads_back_through_both() -> None:
    text = "x a%2540b y"
    once = softened(whole(text))
    assert once is not None

    twice = softened(once)

    assert twice is not None and twice.text == "x a@b y"
    assert traced(twice, "a@b", text) == "a%2540b"


def test_items_of_a_list_and_blocks_of_content_are_joined() -> None:
    text = '{"a":["one","two"],"content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}'

    across = joined(whole(text))

    assert across is not None
    assert "onetwo" in across.text and "xy" in across.text
    assert across.crosses(across.text.index("onetwo"), across.text.index("onetwo") + 6)
    assert not across.crosses(across.text.index("one"), across.text.index("one") + 3)
    assert traced(across, "onetwo", text) == 'one","two'
    assert joined(whole('{"a":"b"}')) is None
    assert joined(whole('{"a":"b","c":"d"}')) is None  # what follows is a key


def test_whole_texts_are_told_from_parts_of_texts() -> None:
    across = joined(whole('["12","34"] ["x12","34"]'))
    assert across is not None

    assert across.is_of_whole_texts(2, 6)
    assert not across.is_of_whole_texts(across.text.index("x") + 1, across.text.index("x") + 5)


def test_what_is_far_from_any_change_is_not_read_twice() -> None:
    far = "word " * 2000
    blob = "Zm9v" * 2000
    text = f'{far}"a%40b" {far} {blob}\u200b{blob} {far}'

    soft = softened(whole(text))

    assert soft is not None
    assert len(soft.text) < len(blob) * 2 + 6 * 600
    assert blob + blob in soft.text  # a word is never cut
    for part, origin in (('"a@b"', '"a%40b"'), (blob + blob, f"{blob}\u200b{blob}")):
        assert traced(soft, part, text) == origin
