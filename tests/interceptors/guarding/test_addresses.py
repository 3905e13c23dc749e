"""What is public is what the Internet routes to somebody else's server."""

from __future__ import annotations

import asyncio
import socket
import threading
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.interceptors.guarding.addresses import (
    MAX_LOOKUPS,
    SystemResolver,
    is_public,
    read_address,
)


@pytest.mark.parametrize("text", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])  # fmt: skip
def test_addresses_of_the_internet_are_public(text: str) -> None:
    assert is_public(read_address(text))


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.9", "169.254.169.254",
        "169.254.170.2", "168.63.129.16", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
        "192.88.99.1", "192.168.1.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:0:7f00:1", "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "100::1", "2001:0:808:808::1", "2001:db8::1", "2002:7f00:1::1",
        "2002:a9fe:a9fe::", "3fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1",
        "2606:4700:0:0:0:5efe:7f00:1", "2606:4700:0:0:200:5efe:a00:1",
    ],
)  # fmt: skip
def test_every_other_address_is_not(text: str) -> None:
    assert not is_public(read_address(text))


def test_networks_that_are_named_may_be_reached_also_in_disguise() -> None:
    also = (ip_network("10.20.0.0/16"),)

    assert is_public(read_address("10.20.1.1"), also)
    assert is_public(read_address("::ffff:10.20.1.1"), also)
    assert not is_public(read_address("10.21.1.1"), also)


@given(st.integers(0, 2**32 - 1))
def test_an_address_inside_another_is_judged_as_itself(number: int) -> None:
    address = IPv4Address(number)
    inside = [
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(0x64_FF9B << 96 | number),
        IPv6Address(0x2002 << 112 | number << 80),
    ]

    assert [is_public(one) for one in inside] == [is_public(address)] * 3


def test_the_systems_resolver_finds_this_machine() -> None:
    found = asyncio.run(SystemResolver().addresses("localhost"))

    assert found
    assert all(read_address(one).is_loopback for one in found)


def test_a_name_that_cannot_exist_is_an_error() -> None:
    with pytest.raises(OSError):
        asyncio.run(SystemResolver().addresses("nothing.invalid"))


def test_lookups_that_hang_take_no_thread_that_others_need(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    goes_on = threading.Event()

    def hangs(host: str, *_: Any, **__: Any) -> list[Any]:
        begun.append(host)
        goes_on.wait()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)

    async def scenario() -> None:
        resolver = SystemResolver()
        for number in range(40):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await resolver.addresses(f"h{number}.example")
        assert await asyncio.to_thread(lambda: "others go on") == "others go on"
        goes_on.set()
        resolver.close()

    asyncio.run(scenario())

    assert 0 < len(begun) <= MAX_LOOKUPS
