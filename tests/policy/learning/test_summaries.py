"""What values have in common is the same in whatever order, and however they are pooled."""

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.learning.summaries import (
    MAX_FEW,
    MAX_LISTED_CHARACTERS,
    Common,
    Fact,
    Few,
    Items,
    Range,
    Scalars,
    Texts,
)
from callgate.policy.shapes import Kind

TEXTS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "/data/reports/a.csv", "/data/reports", "/data/b", "data/x", "https://a.example.com/v1/x",
                "https://example.com:8443/v1/y", "ada@example.com", "x" * 100, "", "no", "/../etc", "a\\b/c",
            ]
        ),
        st.text(max_size=5),
    ),
    max_size=14,
)  # fmt: skip


def told(texts: Texts) -> Any:
    """All that bounds are made of."""
    return (
        texts.few.is_many,
        texts.few.sorted,
        texts.length,
        texts.prefix,
        [
            fact.all
            for fact in (texts.scheme, texts.host, texts.port, texts.domain, texts.address_domain)
        ],
        (texts.path.text, texts.path.text and texts.path.is_itself),
        (texts.url_path.text, texts.url_path.text and texts.url_path.is_itself),
        texts.are_paths,
        texts.flags,
        texts.distinct,
    )


def summary(texts: list[str]) -> Texts:
    made = Texts()
    for text in texts:
        made.add(text)
    return made


@given(TEXTS, st.integers(0, 14), st.randoms())
def test_neither_order_nor_pooling_matters(texts: list[str], cut: int, random: Any) -> None:
    whole = summary(texts)
    pooled = summary(texts[:cut])
    pooled.merge(summary(texts[cut:]))
    shuffled = list(texts)
    random.shuffle(shuffled)

    assert told(pooled) == told(whole)
    assert told(summary(shuffled)) == told(whole)


def test_few_short_values_are_listed_and_more_or_longer_ones_are_not() -> None:
    few, many, long = Few(), Few(), Few()
    for number in range(MAX_FEW):
        few.add(f"b{number}")
    for number in range(MAX_FEW + 1):
        many.add(number)
    long.add("x" * (MAX_LISTED_CHARACTERS + 1))

    assert (few.is_many, len(few.sorted)) == (False, MAX_FEW)
    assert (many.is_many, many.sorted) == (True, [])
    assert long.is_many


def test_a_fact_that_one_lacks_is_no_fact_about_all() -> None:
    fact = Fact()
    fact.add("a")
    assert fact.all == ["a"]
    fact.add(None)
    assert fact.all == []


def test_a_range_goes_from_the_least_to_the_most() -> None:
    seen = Range()
    for value in (5, Decimal("1.5"), 9):
        seen.add(value)
    seen.merge(Range())

    assert (seen.least, seen.most) == (Decimal("1.5"), 9)


def test_a_directory_is_what_all_paths_share() -> None:
    def of(*paths: str | None) -> Common:
        made = Common()
        for path in paths:
            made.add(path)
        return made

    assert of("/data/a/x", "/data/a/y", "/data/b").text == "/data"
    assert not of("/data/a/x", "/data/b/x").is_itself
    assert of("/data", "/data/b/x").is_itself
    assert of("/data/b", "/data/b/x", "/data/c").is_itself is False
    assert of("/a", "/b").text is None
    assert of("src/a", "src/b").text == "src"
    assert of("../a", "../b").text is None
    assert of("/data/a", None).text is None


def test_lists_are_known_by_their_length_and_by_what_is_in_them() -> None:
    one, other = Items(Scalars(Kind.LONG)), Items(Scalars(Kind.LONG))
    one.add([3, 4])
    other.add([])
    one.merge(other)

    assert (one.count, one.items.few.sorted) == (Range(least=0, most=2), [3, 4])
