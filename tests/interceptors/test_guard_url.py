"""A URL goes on only where every reader, and every address of its host, leads where it may."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from callgate.interceptors.guard_url import GuardUrl, GuardUrlSettings
from callgate.interceptors.guarding.addresses import MAX_LOOKUPS, Resolver, SystemResolver
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal, a_tool
from fakes.resolver import FakeResolver

PUBLIC, PRIVATE, METADATA = "93.184.216.34", "10.0.0.5", "169.254.169.254"
NAMES = {
    "api.example.com": [PUBLIC],
    "example.com": [PUBLIC],
    "example.org": [PUBLIC, "2606:4700::1111"],
    "inside.example.com": [PRIVATE],
    "both.example.com": [PUBLIC, PRIVATE],
    "six.example.com": ["2606:4700::1111"],
    "meta.example.com": [METADATA],
    "localtest.me": ["127.0.0.1"],
    "mapped.example.com": ["::ffff:127.0.0.1"],
    "zone.example.com": ["fe80::1%eth0"],
    "many.example.com": [PUBLIC] * 65,
    "none.example.com": [],
    "ok": [PUBLIC],
}


def guard(resolver: Resolver | None = None, **settings: Any) -> GuardUrl:
    made = GuardUrlSettings(**{"fields": ["$.url"], **settings})
    return GuardUrl(made, resolver or FakeResolver(NAMES))


def ask(it: GuardUrl, url: Any) -> Decision | None:
    view = Request(
        call_id="c", principal=a_principal(), tool=a_tool(), arguments={"url": url, "n": 1}
    )
    return asyncio.run(it.on_request(view))


def refusal(it: GuardUrl, url: Any) -> str:
    decision = ask(it, url)
    assert decision is not None and decision.refuse is not None
    return decision.refuse


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com", "https://api.example.com:443/x?y#z", "HTTPS://API.example.com./a",
     "https://example.org/", f"https://{PUBLIC}/", "https://[2606:4700::1111]/", None],
)  # fmt: skip
def test_a_url_on_the_public_internet_goes_on_as_it_is(url: str | None) -> None:
    assert ask(guard(), url) is None


FORBIDDEN = [
    "http://api.example.com/", "//api.example.com/", "api.example.com", "/x", "", "https:", "https://",
    "file:///etc/passwd", "gopher://127.0.0.1:6379/_x", "data:text/html,x", "javascript:alert(1)",
    "view-source:https://api.example.com", "jar:https://api.example.com!/", "ldap://127.0.0.1/",
    "https://127.0.0.1/", "https://[::1]/", "https://0x7f.1/", "https://2130706433/", "https://017700000001/",
    "https://127.1/", "https://0/", "https://[::ffff:169.254.169.254]/", "https://[64:ff9b::a9fe:a9fe]/",
    f"https://{METADATA}/latest/meta-data/", "https://168.63.129.16/", "https://192.168.0.1/",
    "https://\u2460\u2461\u2466.0.0.1/", "https://127\u30020.0.1/", "https://[fe80::1%25eth0]/",
    "https://localtest.me/", "https://meta.example.com/", "https://mapped.example.com/", "https://zone.example.com/",
    "https://inside.example.com/", "https://both.example.com/", "https://many.example.com/",
    "https://none.example.com/", "https://unknown.example.com/", "https://ok@evil.example/",
    "https://api.example.com@127.0.0.1/", "https://me:pw@api.example.com/", "https://api.example.com:22/",
    "https://api.example.com\\@127.0.0.1/", "https:\\\\127.0.0.1/", "https://api.example.com\\.evil.example",
    "https:///127.0.0.1/", "https://127.0.0.1\\@api.example.com/", "https://api.example.com#@127.0.0.1\\/",
    " https://api.example.com/", "https://api.example.com/\n", "https://api.\u200bexample.com/", "https://ex\tample.com/",
    "https://127.0.0.1%2f@api.example.com/", "https://api.example.com%00.evil.example/", "https://a b/",
    "https://api.example.com/" + "x" * 9000, ["https://api.example.com", "https://127.0.0.1"],
    "https://api.example.com/ https://127.0.0.1/", "https://api.example.com/\thttps://127.0.0.1/",
    "https://api.example.com,https://127.0.0.1/", '{"url": "https://127.0.0.1/"}', '["https://127.0.0.1/"]',
    [["https://127.0.0.1/"]], {"a": {"b": ["https://127.0.0.1/"]}}, True, 0,
    {"href": "https://localhost.localtest.me"}, 2130706433, "https://gibberish:99999/",
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN)
def test_no_known_detour_is_let_through(url: Any) -> None:
    assert refusal(guard(), url).startswith("The field $.url")


def test_the_resolver_of_this_machine_knows_localhost() -> None:
    it = guard(SystemResolver(), schemes=["http"], ports=[8080])

    assert refusal(it, "http://localhost:8080/") == (
        "The field $.url leads to localhost, which is not on the public Internet."
    )
    assert "could not be looked up" in refusal(it, "http://nothing.invalid:8080/")


@pytest.mark.parametrize(
    ("url", "is_let_through"),
    [
        ("https://api.example.com/", True),
        ("https://example.com/", False),
        ("https://x.corp.example.net/", True),
        ("https://corp.example.net/", False),
        ("https://xcorp.example.net/", False),
        ("https://example.org/", True),
        ("https://deep.example.org/", True),
        ("https://example.org.evil.example/", False),
        ("https://badexample.org/", False),
        ("https://blocked.example.org/", False),
        ("https://ap\u0456.example.com/", False),
        ("https://alice.github.io/", True),
        ("https://bob.github.io/", False),
        ("https://b\u00fccher.de/", True),
        (f"https://{PUBLIC}/", False),
    ],
)
def test_hosts_and_registered_domains_are_compared_as_browsers_do(
    url: str, is_let_through: bool
) -> None:
    it = guard(
        resolve=False,
        hosts=["API.example.com", "*.corp.example.net", "b\u00fccher.de"],
        domains=["example.org", "alice.github.io"],
        refuse_hosts=["blocked.example.org"],
    )

    assert (ask(it, url) is None) is is_let_through


def test_an_address_is_checked_also_where_names_are_not_looked_up() -> None:
    it = guard(resolve=False)

    assert ask(it, "https://unknown.example.com/") is None
    assert "not on the public Internet" in refusal(it, "https://127.0.0.1/")


def test_networks_that_are_named_may_be_reached() -> None:
    it = guard(networks=["10.0.0.0/24"], schemes=["https", "http"], ports=[8443])

    assert ask(it, "https://inside.example.com:8443/") is None
    assert ask(it, "http://10.0.0.7:8443/") is None
    assert "public" in refusal(it, "http://10.0.1.7:8443/")


def test_rewriting_sends_the_form_that_all_readers_agree_on() -> None:
    assert ask(guard(mode="rewrite"), "HTTPS://API.Example.com:443/a/../b{c") == Decision(
        arguments={"url": "https://api.example.com/b%7Bc", "n": 1}, note="made plain: $.url"
    )


def test_pinning_puts_the_checked_address_in_the_place_of_the_name() -> None:
    it = guard(schemes=["http"], mode="pin", ports=[80, 8080])

    decision = ask(it, ["http://api.example.com:8080/x?y", "http://six.example.com/", f"http://{PUBLIC}/"])  # fmt: skip

    assert decision is not None and decision.arguments is not None
    assert decision.arguments["url"] == [
        f"http://{PUBLIC}:8080/x?y",
        "http://[2606:4700::1111]/",
        f"http://{PUBLIC}/",
    ]


def test_a_name_that_is_bound_anew_is_pinned_to_what_was_checked() -> None:
    names = FakeResolver({"rebind.example": [[PUBLIC], ["127.0.0.1"]]})
    it = guard(names, schemes=["http"], mode="pin")

    decision = ask(it, "http://rebind.example/")

    assert decision is not None and decision.arguments == {"url": f"http://{PUBLIC}/", "n": 1}
    assert "public" in refusal(it, "http://rebind.example/")


def test_each_host_is_looked_up_once_and_few_at_the_same_time() -> None:
    names = FakeResolver({f"h{number}.example": [PUBLIC] for number in range(20)})
    it = guard(names)

    assert ask(it, [f"https://h{number % 20}.example/{number}" for number in range(60)]) is None
    assert sorted(names.asked) == sorted({f"h{number}.example" for number in range(20)})
    assert names.most_at_once == MAX_LOOKUPS
    assert "more than 100 hosts" in refusal(it, [f"https://h{n}.example/" for n in range(101)])


def test_a_lookup_that_hangs_refuses_the_call_and_leaves_no_place_taken() -> None:
    it = guard(resolve_seconds=0.01)

    assert refusal(it, ["https://hangs.example/"] * 3 + ["https://example.org/"]) == (
        "The field $.url[2] leads to hangs.example, which could not be looked up."
    )
    assert ask(it, "https://example.org/") is None


@pytest.mark.parametrize(
    "wrong",
    [{"hosts": ["https://a.example"]}, {"hosts": ["*.1.2.3.4"]}, {"hosts": ["a@b.example"]}, {"hosts": ["*"]},
     {"domains": ["www.example.com"]}, {"domains": ["co.uk"]}, {"networks": ["10.0.0.1/8"]}, {"ports": [0]},
     {"mode": "pin"}, {"mode": "pin", "schemes": ["http"], "resolve": False}],
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GuardUrlSettings(**{"fields": ["$.url"], **wrong})
