"""Who may talk to a listener, by the headers Host and Origin: against DNS rebinding."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from callgate.model import Value

_HOST = re.compile(r"(?:\[(?P<six>[0-9a-f:.]+)\]|(?P<name>[^\[\]:@/?#\\\s]+))(?::[0-9]{1,5})?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://")


@lru_cache(1024)
def is_loopback(address: str) -> bool:
    """Whether an address, or a name to listen on, is this machine's only."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class Guard(Value):
    """What one listener admits. Make one with `of`, which brings names into one form."""

    hosts: frozenset[str]  # names, or names with ports
    origins: frozenset[str]
    is_loopback: bool  # it listens on this machine only
    admits_local_pages: bool  # web pages of this machine may use it

    @classmethod
    def of(
        cls,
        *,
        allowed_hosts: Iterable[str],
        allowed_origins: Iterable[str],
        is_loopback: bool,
        admits_local_pages: bool,
    ) -> Guard:
        """The guard for configured names and origins."""
        return cls(
            hosts=frozenset(host.lower() for host in allowed_hosts),
            origins=frozenset(origin.lower().rstrip("/") for origin in allowed_origins),
            is_loopback=is_loopback,
            admits_local_pages=admits_local_pages,
        )

    def may_reach(self, hosts: Sequence[str]) -> bool:
        """Whether these Host headers name us.

        A loopback listener answers to loopback names: any other name was made to point here. One
        for the network answers to the configured names, or to all where none are configured.
        """
        if len(hosts) != 1:
            return False
        host = hosts[0].lower()
        name = _name(host)
        if name is None:
            return False
        if host in self.hosts or name in self.hosts:
            return True
        return is_loopback(name) if self.is_loopback else not self.hosts

    def may_originate(self, origins: Sequence[str]) -> bool:
        """Whether the page that these Origin headers name may use us; no header means no page."""
        return all(self._admits(origin.lower().rstrip("/")) for origin in origins)

    def _admits(self, origin: str) -> bool:
        if origin in self.origins:
            return True
        scheme = _SCHEME.match(origin)
        if scheme is None or not self.admits_local_pages or not self.is_loopback:
            return False
        name = _name(origin[scheme.end() :])
        return name is not None and is_loopback(name)


def _name(host: str) -> str | None:
    """The name in `name:port`; None for what no browser sends."""
    match = _HOST.fullmatch(host)
    return None if match is None else match["six"] or match["name"]
