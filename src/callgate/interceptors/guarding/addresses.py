"""Which IP addresses are somebody's on the public Internet, and how names lead to them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Protocol

from callgate.pipeline.threads import Job, Threads

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

MAX_ADDRESSES = 64  # of one name: more are no answer
MAX_LOOKUPS = 4  # at once

# What Python's `is_global` lets through, and is nobody's server.
_NOT_PUBLIC: tuple[Network, ...] = (
    ip_network("168.63.129.16/32"),  # Azure's host agent, which gives out credentials
    ip_network("192.0.0.0/24"),  # protocol assignments; Oracle's metadata is at .192
    ip_network("192.88.99.0/24"),  # relays of 6to4, withdrawn
    ip_network("::/96"),  # IPv4-compatible, withdrawn
    ip_network("3fff::/20"),  # documentation
    ip_network("fec0::/10"),  # site-local, withdrawn
    ip_network("64:ff9b:1::/48"),  # NAT64 inside one network
)
_NAT64 = ip_network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)


class Resolver(Protocol):
    """How names are looked up."""

    async def addresses(self, host: str) -> Sequence[str]:
        """Every address of a name, IPv4 and IPv6. Raises OSError where there is none."""

    def close(self) -> None:
        """Nothing is looked up any more."""


class SystemResolver:
    """Implements Resolver: as the system does it, hosts file and search domains included.

    A lookup that has begun cannot be stopped, only no longer waited for: it keeps its thread, which
    is one of its own, so that a resolver that hangs holds up lookups and nothing else.
    """

    def __init__(self) -> None:
        self._threads = Threads(MAX_LOOKUPS, "callgate-lookup")

    async def addresses(self, host: str) -> Sequence[str]:
        """See Resolver."""
        lookup = partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM)
        found = await self._threads.run(Job(lookup))
        return list(dict.fromkeys(str(address[0]) for *_, address in found))

    def close(self) -> None:
        """See Resolver."""
        self._threads.close()


def read_address(text: str) -> Address:
    """An address as resolvers write it, its zone cut off. Raises ValueError."""
    return ip_address(text.partition("%")[0])


def is_public(address: Address, also: Sequence[Network] = ()) -> bool:
    """Whether packets to it leave for the public Internet, or for a network in `also`.

    An IPv6 address that carries an IPv4 address leads where that one leads.
    """
    if any(address in network for network in also):
        return True
    inside = _inside(address)
    if inside is not None:
        return all(is_public(one, also) for one in inside)
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not any(address in network for network in _NOT_PUBLIC)
    )


def _inside(address: Address) -> tuple[IPv4Address, ...] | None:
    """The IPv4 addresses that an IPv6 address stands for; None where it stands for itself."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    if address.sixtofour is not None:
        return (address.sixtofour,)
    if address.teredo is not None:
        return address.teredo
    last = IPv4Address(int(address) & 0xFFFF_FFFF)
    if address in _NAT64 or int(address) >> 32 & 0xFFFF_FFFF in _ISATAP:
        return (last,)
    return None
