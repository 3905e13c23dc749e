"""Policies that are kept in the store, as any source gives them."""

from __future__ import annotations

from callgate.policy.versions import Version
from callgate.sources.sourced import STORE, Sourced

NAME = "store:"


def sourced(version: Version) -> tuple[Sourced, ...]:
    """The policies of a version, one text each."""
    return tuple(
        Sourced(name=f"{NAME}{identifier}", text=text, kind=STORE, place=identifier)
        for identifier, text in sorted(version.policies.items())
    )
