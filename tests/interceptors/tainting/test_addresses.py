"""URLs are found and read as browsers read them."""

import pytest

from callgate.interceptors.tainting.addresses import MAX_URLS, Address, addresses, is_allowed


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://a.example/x.", [Address("a.example", False)]),
        ("https://a.example/?q=1 http://b.example#f", [("a.example", True), ("b.example", True)]),
        ("(//c.example/x)", [("c.example", False)]),
        ("![x](https://a.example/i.png)", [("a.example", True)]),
        ("https:\\/\\/a.example\\/?q", [("a.example", True)]),
        ("http://2130706433/", [("127.0.0.1", False)]),
        ("https://xn--e1afmkfd.example/", [("xn--e1afmkfd.example", False)]),
        ("https://[broken/?x", [("", True)]),
        ("a/b//c and 1 // 2", []),
        ("no address here", []),
    ],
)
def test_urls_are_read_as_browsers_do(text: str, found: list[tuple[str, bool]]) -> None:
    assert [tuple(one) for one in addresses(text)] == [tuple(one) for one in found]


def test_more_urls_than_are_looked_at_are_suspect() -> None:
    *_, last = addresses("https://a.example/ " * (MAX_URLS + 5))

    assert last == Address("", True)


@pytest.mark.parametrize(
    ("host", "is_one"),
    [("a.example", True), ("b.a.example", True), ("ba.example", False), ("", False)],
)
def test_a_domain_holds_those_below(host: str, is_one: bool) -> None:
    assert is_allowed(host, ["a.example"]) is is_one
