"""A fact about a text is what every reader finds in it, or it is not there."""

from __future__ import annotations

import posixpath
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.policy.derived import STRING_FACTS
from callgate.policy.readings import MAX_URL_CHARACTERS, read, registrable
from callgate.policy.shapes import record, required
from fakes.cedar import decide

ALL = STRING_FACTS.fields.keys()
SIZE, PATH = {"length", "bytes"}, {"path", "is_absolute", "escapes", "has_backslash"}
REST = ALL - SIZE - PATH


def rest(text: str) -> dict[str, Any]:
    """All facts beside size and path; of those that hold or not, the ones that hold."""
    return {name: fact for name, fact in read(text, REST).items() if fact is not False}


def test_only_what_is_wanted_is_told() -> None:
    assert read("https://a.example.com", {"host"}) == {"host": "a.example.com"}
    assert read("https://a.example.com", set()) == {}


def test_sizes_are_code_points_and_utf8_bytes() -> None:
    assert read("né\U0001f600", SIZE) == {"length": 3, "bytes": 7}


@pytest.mark.parametrize(
    ("text", "path", "escapes"),
    [
        ("/data/a", "/data/a", False),
        ("/data/../etc/passwd", "/etc/passwd", False),
        ("/data//./x/", "/data/x", False),
        ("//a", "/a", False),
        ("/", "/", False),
        ("/../x", "/x", True),
        ("a/b/../c", "a/c", False),
        ("a/..", ".", False),
        ("a/../../b", "../b", True),
        ("..", "..", True),
        ("../../x", "../../x", True),
        ("~/.ssh/id", "~/.ssh/id", True),
        (".", ".", False),
    ],
)
def test_a_path_is_made_plain_without_looking_at_files(text: str, path: str, escapes: bool) -> None:
    assert read(text, PATH) == {
        "path": path,
        "is_absolute": text.startswith("/"),
        "escapes": escapes,
        "has_backslash": False,
    }


def test_what_no_system_takes_as_a_path_has_none() -> None:
    assert "path" not in read("", PATH) and "path" not in read("/a\0b", PATH)
    assert read("/a\0b", {"escapes"}) == {"escapes": True}
    assert read("..\\x", {"has_backslash"}) == {"has_backslash": True}


@pytest.mark.parametrize("text", ["", "a", "\0", "http://", "x" * 10_000])
def test_what_holds_or_not_is_always_told(text: str) -> None:
    flags = {"is_absolute", "escapes", "has_backslash", "has_userinfo", "is_ambiguous"}

    assert read(text, flags).keys() == flags


@given(st.lists(st.sampled_from(["a", "b", "..", ".", ""]), max_size=8).map("/".join))
def test_a_path_is_the_one_that_python_finds(text: str) -> None:
    expected = posixpath.normpath(text)
    if text:
        assert read(text, {"path"}) == {
            "path": "/" + expected.lstrip("/") if text[0] == "/" else expected
        }


def url(scheme: str, port: int | None, url_path: str, **facts: Any) -> dict[str, Any]:
    made = {"scheme": scheme, "url_path": url_path, **facts}
    return made if port is None else {**made, "port": port}


GITHUB = {"host": "api.github.com", "domain": "github.com"}
LOOPBACK = {"host": "127.0.0.1", "ip": "127.0.0.1"}
UNSURE = {"is_ambiguous": True}


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("https://API.GitHub.com/repos/../x?q#f", url("https", 443, "/x", **GITHUB)),
        ("HTTP://api.github.com.:8080", url("http", 8080, "/", **GITHUB)),
        ("https://api.github.com:443/%2e%2e/a", url("https", 443, "/a", **GITHUB)),
        ("postgres://API.github.com/db", url("postgres", None, "/db", **GITHUB)),
        ("https://me:pw@api.github.com/", {**url("https", 443, "/", **GITHUB), "has_userinfo": True}),
        ("https://ap\u2170.example/", url("https", 443, "/", host="api.example")),
        ("https://b\u00fccher.de/", url("https", 443, "/", host="xn--bcher-kva.de", domain="xn--bcher-kva.de")),
        ("https://x.alice.github.io/", url("https", 443, "/", host="x.alice.github.io", domain="alice.github.io")),
        ("https://github.io/", url("https", 443, "/", host="github.io")),
        ("http://localhost/", url("http", 80, "/", host="localhost")),
        ("http://0x7f.1/", url("http", 80, "/", **LOOPBACK)),
        ("http://2130706433/", url("http", 80, "/", **LOOPBACK)),
        ("http://017700000001/", url("http", 80, "/", **LOOPBACK)),
        ("http://[::1]:3/", url("http", 3, "/", host="::1", ip="::1")),
        ("http://[::ffff:127.0.0.1]/", url("http", 80, "/", host="::ffff:7f00:1", ip="127.0.0.1")),
        ("http://good.com?@evil.com/", url("http", 80, "/", host="good.com", domain="good.com")),
        ("file:///etc/passwd", dict(scheme="file")),
        ("javascript:alert(1)", dict(scheme="javascript")),
        ("mailto:ada@example.com", dict(scheme="mailto")),
        ("Note: the rest", dict(scheme="note")),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart_as_browsers_do(text: str, facts: dict[str, Any]) -> None:
    assert rest(text) == facts


@pytest.mark.parametrize(
    "text",
    [
        "http://good.com\\@evil.com/",
        "http://good.com@evil.com@third.com/",
        "http:evil.com",
        "http:///evil.com",
        "//evil.com/x",
        "http://ex ample.com/",
        " http://evil.com/",
        "ht\ntp://evil.com/",
        "http://ev\til.com/",
        "http://exa%6Dple.com/",
        "http://fa\u00df.de/",
        "http://evil.com:99999/",
        "http://[::1/",
        "mongodb://a.com:1,b.com:2/",
        "http://1.2.3.4.5.6/",
        "https://" + "a" * MAX_URL_CHARACTERS,
        "http://" + "a." * 200 + "com/",
    ],
)
def test_no_host_is_told_where_readers_differ(text: str) -> None:
    facts = rest(text)

    assert facts.pop("scheme", "http") in ("http", "https", "mongodb")
    assert facts == UNSURE


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("api.github.com", dict(**GITHUB)),
        ("api.github.com:8080", dict(port=8080, **GITHUB)),
        ("localhost:3000", dict(host="localhost", port=3000)),
        ("127.0.0.1", dict(**LOOPBACK)),
        ("127.0.0.1:80", dict(port=80, **LOOPBACK)),
        ("0x7f.1", dict(**LOOPBACK)),
        ("0177.0.0.1", dict(**LOOPBACK)),
        ("::1", dict(host="::1", ip="::1")),
        ("[::1]:80", dict(host="::1", ip="::1", port=80)),
        ("10.0.0.0/8", {"ip": "10.0.0.0/8"}),
        ("fe80::/10", {"ip": "fe80::/10"}),
        ("::ffff:10.0.0.0/104", {}),
        ("db.internal", {}),
        ("1.2.3", {}),
        ("12:30", {}),
        ("12:30:45", {}),
        ("a:b:c", dict(scheme="a")),
        ("deadbeef", {}),
        ("0xdeadbeef", {}),
        ("plain words.", {}),
    ],
)
def test_hosts_and_addresses_are_known_without_a_scheme(text: str, facts: dict[str, Any]) -> None:
    assert rest(text) == facts


@pytest.mark.parametrize(
    ("text", "local", "host", "domain"),
    [
        ("ada@Example.com", "ada", "example.com", "example.com"),
        ("Ada Lovelace <a.l+x@mail.example.co.uk>", "a.l+x", "mail.example.co.uk", "example.co.uk"),
        ('"Lovelace" <ada@example.com>', "ada", "example.com", "example.com"),
        ("ada@localhost", "ada", "localhost", None),
    ],
)
def test_one_address_has_parts(text: str, local: str, host: str, domain: str | None) -> None:
    expected = {"address_local": local, "address_domain": host}
    assert rest(text) == {**expected, **({} if domain is None else {"domain": domain})}


@pytest.mark.parametrize(
    "text",
    [
        "ada@a.com, eve@b.com",
        "ada@a.com <eve@b.com>",
        "<ada@a.com> eve@b.com",
        "ada@a.com\nBcc: eve@b.com",
        '"a@good.com" <x@evil.com>',
        "ada@[127.0.0.1]",
        "ada@127.1",
        "a..b@example.com",
        "git@github.com:o/r.git",
    ],
)
def test_what_may_be_several_addresses_is_none(text: str) -> None:
    assert read(text, {"address_local", "address_domain", "domain"}) == {}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00.000Z"),
        ("2026-01-31t10:00:00.98765z", "2026-01-31T10:00:00.987Z"),
        ("2026-01-01T00:30:00+02:00", "2025-12-31T22:30:00.000Z"),
        ("2026-01-01 00:30:00-02:00", "2026-01-01T02:30:00.000Z"),
        ("2026-01-31", "2026-01-31T00:00:00.000Z"),
        ("0099-01-01", "0099-01-01T00:00:00.000Z"),
    ],
)
def test_an_instant_is_one_in_utc(text: str, instant: str) -> None:
    assert read(text, {"instant"}) == {"instant": instant}


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T10:00:00",
        "2026-02-30",
        "2026-01-31T10:00:60Z",
        "0001-01-01T00:00:00+01:00",
        "2026-01-31T10:00:00+24:00",
        "31.01.2026",
        "٢٠٢٦-01-31",
    ],
)
def test_a_time_that_may_be_another_is_no_instant(text: str) -> None:
    assert read(text, {"instant"}) == {}


PIECES = (
    *("http", "https", "ftp", "x", ":", "//", "/", "\\", "@", "?", "#", "[", "]", "%2e", ".", " "),
    *("a", "com", "1", "127.0.0.1", "::1", "0x7f", "\u00df", "\uff0e", "\t", "\0", "-", "xn--"),
)
URLISH = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)


@given(URLISH | st.text(max_size=40))
@example("http://a\u3002com")
def test_any_text_has_facts_that_cedar_takes(text: str) -> None:
    facts = read(text, ALL)

    assert facts.keys() <= ALL
    assert not facts.get("is_ambiguous") or not facts.keys() & {"host", "port", "url_path"}
    assert decide(record(x=required(STRING_FACTS)), {"x": facts}, ["context.x.length >= 0"])


@pytest.mark.parametrize(
    "text",
    [
        *("1:" * 100_000 + "x", "a." * 100_000 + " ", "<" * 100_000, '"' * 100_000, "a@" * 100_000),
        *("http://" + "é" * 4000, "http://" + "xn--" * 1000, "../" * 50_000, "0x." * 50_000),
    ],
)
def test_no_text_makes_much_work(text: str) -> None:
    before = time.process_time()

    read(text, ALL)

    assert time.process_time() - before < 0.5


def test_the_registrable_domain_is_that_of_the_list_that_came_along() -> None:
    assert registrable("a.b.example.co.uk") == "example.co.uk"
    assert registrable("localhost") == ""
