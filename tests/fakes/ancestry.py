"""Lineages read out of the very entities that Cedar is given."""

from __future__ import annotations

import json
from collections.abc import Mapping

import cedarpy

from callgate.policy.index import Lineage, Uid


class Ancestry:
    """One snapshot of a hierarchy; the actions of the schema are in it if a schema was given."""

    def __init__(self, entities: cedarpy.Entities) -> None:
        self._parents: dict[Uid, list[Uid]] = {
            uid_of(entity["uid"]): [uid_of(parent) for parent in entity["parents"]]
            for entity in json.loads(str(entities))
        }

    def of(self, uid: Uid) -> Lineage:
        """An entity that is not there is in nothing but itself."""
        found: dict[Uid, None] = {}
        left = [uid]
        while left:
            one = left.pop()
            if one not in found:
                found[one] = None
                left += self._parents.get(one, ())
        return Lineage.of(uid, found)


def uid_of(written: Mapping[str, str]) -> Uid:
    return written["type"], written["id"]
