"""The Host and Origin guard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.origins import Guard, is_loopback


def a_guard(
    hosts: tuple[str, ...] = (),
    origins: tuple[str, ...] = (),
    *,
    on_loopback: bool = True,
    local_pages: bool = True,
) -> Guard:
    return Guard.of(
        allowed_hosts=hosts,
        allowed_origins=origins,
        is_loopback=on_loopback,
        admits_local_pages=local_pages,
    )


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:8080",
        "127.0.0.1",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:8080",
        "127.8.8.8",
    ],
)
def test_a_loopback_listener_answers_to_loopback_names(host: str) -> None:
    assert a_guard().may_reach([host])


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example@localhost",
        "localhost/x",
        "localhost#",
        "localhost:",
        "localhost:x",
        "local host",
        "[::1",
        "::1",
        "0.0.0.0",
        "192.168.0.1",
        "",
    ],
)
def test_a_loopback_listener_answers_to_nothing_else(host: str) -> None:
    assert not a_guard().may_reach([host])


def test_exactly_one_host_must_be_named() -> None:
    assert not a_guard().may_reach([])
    assert not a_guard().may_reach(["localhost", "localhost"])


def test_configured_names_are_answered_with_any_port_or_with_theirs() -> None:
    guard = a_guard(("Gate.example", "other.example:8443"))

    assert guard.may_reach(["gate.example"])
    assert guard.may_reach(["GATE.example:1234"])
    assert guard.may_reach(["other.example:8443"])
    assert not guard.may_reach(["other.example:1"])


def test_a_listener_for_the_network_answers_to_all_names_until_some_are_configured() -> None:
    assert a_guard(on_loopback=False).may_reach(["whatever.example"])
    assert a_guard(("gate.example",), on_loopback=False).may_reach(["gate.example"])
    assert not a_guard(("gate.example",), on_loopback=False).may_reach(["whatever.example"])
    assert not a_guard(("gate.example",), on_loopback=False).may_reach(["localhost"])


def test_without_an_origin_there_is_no_page_to_keep_out() -> None:
    assert a_guard(local_pages=False).may_originate([])


def test_pages_of_configured_origins_may_use_it() -> None:
    guard = a_guard((), ("https://App.example/",), local_pages=False)

    assert guard.may_originate(["https://app.example"])
    assert not guard.may_originate(["http://app.example"])
    assert not guard.may_originate(["https://app.example:444"])
    assert not guard.may_originate(["https://app.example", "https://evil.example"])


@pytest.mark.parametrize(
    "origin", ["http://localhost", "http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"]
)
def test_local_pages_may_use_a_loopback_listener_that_admits_them(origin: str) -> None:
    assert a_guard().may_originate([origin])
    assert not a_guard(local_pages=False).may_originate([origin])
    assert not a_guard(on_loopback=False).may_originate([origin])


@pytest.mark.parametrize(
    "origin",
    ["null", "", "http://evil.example", "http://localhost.evil.example", "localhost", "http:"],
)
def test_other_pages_may_not(origin: str) -> None:
    assert not a_guard().may_originate([origin])


@given(st.text(), st.text())
def test_no_header_makes_the_guard_fail(host: str, origin: str) -> None:
    a_guard().may_reach([host])
    a_guard().may_originate([origin])


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert is_loopback("localhost")
    assert is_loopback("127.0.0.1")
    assert is_loopback("::1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("::")
    assert not is_loopback("gate.example")
