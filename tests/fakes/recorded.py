"""A record that can be asked, made of the entries that a fake store has kept."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from callgate.audit.definitions import PolicyText, World, policies_defined
from callgate.audit.explain import whole
from callgate.audit.matching import matcher
from callgate.audit.record import Entry, content_of, instant
from callgate.model import Json
from callgate.policy.engine import Engine
from callgate.ports import CallFilter, Page, Positions

PAYLOAD = ("arguments", "content")


class FakeRecords:
    """Implements RecordReader over one log of entries.

    `lie_elsewhere`: all payloads are too large for the record, so that pages leave them out.
    """

    def __init__(
        self,
        entries: Iterable[Entry | dict[str, Json]],
        log: int = 1,
        *,
        lie_elsewhere: bool = False,
    ) -> None:
        self.lie_elsewhere = lie_elsewhere
        self.entries_ = [
            {
                **(content_of(entry) if isinstance(entry, Entry) else entry),
                "record": {"log": log, "seq": seq, "hash": f"{seq:064x}"},
            }
            for seq, entry in enumerate(entries)
        ]
        self.log = log

    def calls(self, chosen: CallFilter) -> Page:
        found = [call for _, call in self.scan_calls({}, chosen)]
        if self.lie_elsewhere:
            found = [_without_payload(call) for call in found]
        return Page(calls=tuple(reversed(found[-chosen.limit :])))

    def ended(self, chosen: CallFilter) -> Page:
        return Page(calls=(), next="now")

    def entries(self, call_id: str) -> list[dict[str, Json]]:
        return [entry for entry in self.entries_ if entry["call"] == call_id]

    def find(self, start: str, limit: int = 10) -> list[str]:
        return sorted({one["call"] for one in self.entries_ if one["call"].startswith(start)})

    def events(
        self, names: Collection[str], since: float | None = None, until: float | None = None
    ) -> Iterator[dict[str, Json]]:
        for entry in self.entries_:
            if entry.get("event") in names and _is_within(entry, since, until):
                yield entry

    def defined(self, identifier: str) -> dict[str, Json] | None:
        return next((one for one in self.entries_ if one["call"] == identifier), None)

    def scan(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        fits = matcher(chosen) if chosen is not None else None
        for seq in range(after.get(self.log, 0), len(self.entries_)):
            entry = self.entries_[seq]
            if fits is None or (entry["kind"] != "event" and fits(entry)):
                yield {self.log: seq + 1}, entry

    def scan_calls(
        self, after: Positions, chosen: CallFilter | None = None
    ) -> Iterator[tuple[Positions, dict[str, Json]]]:
        fits = matcher(chosen) if chosen is not None else None
        for positions, entry in self.scan(after):
            if entry["kind"] == "outcome":
                call = whole(self.entries(entry["call"]))
                if fits is None or fits(call):
                    yield positions, call

    def heads(self) -> dict[int, int]:
        return {self.log: len(self.entries_)}


def _without_payload(call: dict[str, Json]) -> dict[str, Json]:
    left = {name: value for name, value in call.items() if name not in PAYLOAD}
    omitted = {name: value for name, value in call.items() if name in PAYLOAD}
    return {**left, "payload_omitted": len(json.dumps(omitted))} if omitted else left


def _is_within(entry: dict[str, Any], since: float | None, until: float | None) -> bool:
    at = instant(entry["at"])
    return (since is None or at >= since) and (until is None or at < until)


def defined(engine: Engine, at: float = 1_790_000_000.0) -> Entry:
    """The event that says what an engine decides by."""
    texts = [
        PolicyText(id=one.id, source=one.source, line=one.line, text=one.text)
        for one in engine.policies
    ]
    world = World(
        namespace=engine.names.namespace,
        gateway=engine.names.gateway,
        mode="enforce",
        facts=engine.enrichments,
    )
    return policies_defined(engine.version, texts, world, at)
