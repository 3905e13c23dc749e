"""Which headers interceptors may have sent, and that no value of one can be more than a value."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callgate.upstream.onward import checked_names, passed


def test_names_are_taken_in_any_case() -> None:
    assert checked_names(["X-Tenant", "x-tenant", "Authorization"]) == {"x-tenant", "authorization"}


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "cookie",
        "Set-Cookie",
        "Content-Length",
        "content-type",
        "Accept",
        "accept-encoding",
        "Authorization-Info",
        "Proxy-Authorization",
        "WWW-Authenticate",
        "Transfer-Encoding",
        "connection",
        "Origin",
        "Referer",
        "User-Agent",
        "Mcp-Session-Id",
        "mcp-name",
        "Access-Control-Allow-Origin",
        "Sec-Fetch-Mode",
        "Strict-Transport-Security",
        "last-event-id",
    ],
)
def test_what_frames_or_identifies_can_never_be_named(name: str) -> None:
    with pytest.raises(ValueError, match="can never be passed on"):
        checked_names([name])


@pytest.mark.parametrize("name", ["", "x tenant", "x:tenant", "x\r\ny", "é"])
def test_what_is_no_header_name_is_said(name: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        checked_names([name])


def test_only_what_the_target_takes_is_passed_on() -> None:
    wanted = {"x-tenant": "a", "x-other": "b\r\nEvil: 1", "host": "evil"}

    assert passed(wanted, frozenset({"x-tenant", "x-unused"})) == [("x-tenant", "a")]


@given(st.text(max_size=40))
@example("a\r\nHost: evil")
@example("a\nb")
@example("é")
@example(" edge")
@example("\x00")
def test_a_value_that_is_passed_on_is_one_line_of_visible_ascii(value: str) -> None:
    try:
        ((_, sent),) = passed({"x-tenant": value}, frozenset({"x-tenant"}))
    except ValueError:
        assert not value.isascii() or not value.isprintable() or value.strip() != value or not value
    else:
        assert sent == value
        assert value.isascii() and not set(value) & set("\r\n\x00") and value.strip() == value


def test_a_value_has_a_bound() -> None:
    assert passed({"x": "v" * 8192}, frozenset({"x"}))
    with pytest.raises(ValueError, match="cannot be sent"):
        passed({"x": "v" * 8193}, frozenset({"x"}))
