"""Recorded decisions once more, over the whole of a record: in this process, or in several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path

from callgate.audit.event import POLICIES_DEFINED
from callgate.audit.record import instant
from callgate.cli.policy.grounds import CannotSay, Chosen, Grounds
from callgate.cli.progress import Begin, Tell
from callgate.cli.store import open_records
from callgate.model import Json, Tool, Value
from callgate.pipeline.replay import Recall, Rehearsed, Versions, rehearse
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.simulate import Judge, Simulation
from callgate.policy.source import Policy
from callgate.ports import CallFilter, RecordReader, StoreError
from callgate.protocol.validators import Validators

TELL_EVERY = 500  # entries
SLICES_EACH = 8  # of the record, a process: some take longer than others
SLACK_SECONDS = 3600.0  # how far a clock may have been set back within a log


class Slice(Value):
    """A stretch of one log."""

    log: int
    start: int
    end: int

    @property
    def size(self) -> int:
        """How many entries."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Everything that a process needs to know. It can be sent to one."""

    config: Path | None
    store: str | None
    chosen: CallFilter
    policies: tuple[Policy, ...]  # the candidate
    against: tuple[Policy, ...] | None = None  # None: what was recorded
    names: Names = field(default_factory=Names)
    enrichments: Mapping[str, Mapping[str, str]] | None = None
    is_checked: bool = True  # whether the recorded verdict must be reproduced first
    current: tuple[Tool, ...] | None = None  # tools as they are now, to go by
    known: tuple[Tool, ...] = ()  # definitions from elsewhere, found by their digest

    def records(self) -> RecordReader:
        """The record. Raises click.ClickException."""
        return open_records(self.config, self.store)


class Stage:
    """One process's policies, tools and principals, made once."""

    def __init__(self, of: Rehearsal) -> None:
        self._of = of
        self._records = of.records()
        tools = {(tool.target, tool.name): tool for tool in of.current or ()}
        self._recall = Recall(
            self._records,
            (*of.known, *tools.values()),
            None if of.current is None else lambda target, name: tools.get((target, name)),
        )
        fits = Validators().validate if of.current is not None else None
        facts = of.enrichments or {}
        self._candidate = Judge(Engine(of.policies, of.names, facts), fits)
        self._against = None
        if of.against is not None:
            self._against = Judge(Engine(of.against, of.names, facts), fits)
        self._versions = Versions(self._records, of.names, facts)

    def play(self, piece: Slice, heads: Mapping[int, int], tell: Tell) -> Rehearsed:
        """One stretch of the record. Raises StoreError."""
        simulation = Simulation(
            self._candidate,
            recorded=self._versions.judge if self._of.is_checked else None,
            against=self._against,
        )
        entries = entries_of(self._records, piece, heads, self._of.chosen, tell)
        return rehearse(entries, self._recall, simulation)


def entries_of(
    records: RecordReader,
    piece: Slice,
    heads: Mapping[int, int],
    chosen: CallFilter,
    tell: Tell,
) -> Iterator[dict[str, Json]]:
    """The chosen entries of a stretch, in order. Raises StoreError."""
    told, log = piece.start, piece.log
    # All other logs are read to their ends already.
    for positions, entry in records.scan({**heads, log: piece.start}, chosen):
        reached = positions.get(log, 0)
        if reached > piece.end:
            break
        yield entry
        if reached - told >= TELL_EVERY:
            tell(reached - told)
            told = reached
    tell(piece.end - told)


def slices(records: RecordReader, chosen: CallFilter, parts: int) -> Iterator[Slice]:
    """What of the record holds the chosen entries: each log, in `parts` stretches. StoreError."""
    heads = dict(records.heads())
    for log, end in sorted(heads.items()):
        start = 0
        if chosen.since is not None:
            start = _first(records, heads, log, chosen.since - SLACK_SECONDS)
        if chosen.until is not None:
            end = _first(records, heads, log, chosen.until + SLACK_SECONDS)
        step = max(1, -(-(end - start) // parts))
        for begin in range(start, end, step):
            yield Slice(log=log, start=begin, end=min(begin + step, end))


def _first(records: RecordReader, heads: Mapping[int, int], log: int, at: float) -> int:
    """The first entry of a log from an instant on; entries stand in it in the order of time."""
    low, high = 0, heads[log]
    while low < high:
        middle = (low + high) // 2
        _, entry = next(records.scan({**heads, log: middle}))
        if instant(entry["at"]) < at:
            low = middle + 1
        else:
            high = middle
    return low


def in_the_world_of(grounds: Grounds, chosen: Chosen, store: str | None) -> Grounds:
    """Without a configuration: names and facts are those that the last recorded policies had."""
    last = None
    try:
        for event in open_records(chosen.config, store).events((POLICIES_DEFINED,)):
            last = event
    except StoreError as error:
        raise CannotSay(str(error)) from None
    if last is None:
        return grounds
    names = Names(
        namespace=last.get("namespace") or grounds.names.namespace,
        gateway=last.get("gateway") or grounds.names.gateway,
    )
    return changed(grounds, names=names, enrichments=last.get("enriches") or {})


def play(of: Rehearsal, jobs: int, begin: Begin, tell: Tell) -> Rehearsed:
    """All of it. `begin` hears how many entries there are to look at. Raises StoreError."""
    records = of.records()
    heads = dict(records.heads())
    pieces = list(slices(records, of.chosen, jobs * SLICES_EACH if jobs > 1 else 1))
    begin(sum(piece.size for piece in pieces))
    whole = Rehearsed()
    if jobs == 1:
        stage = Stage(of)
        for piece in pieces:
            whole.merge(stage.play(piece, heads, tell))
        return whole
    context = multiprocessing.get_context("spawn")  # a fork would copy threads and their locks
    with context.Pool(jobs, _set_stage, (of, heads)) as pool:
        for piece, part in zip(pieces, pool.imap(_play, pieces), strict=True):
            whole.merge(part)
            tell(piece.size)
    return whole


class _Process:
    """What a process of its own has made."""

    stage: Stage
    heads: Mapping[int, int]


def _set_stage(of: Rehearsal, heads: Mapping[int, int]) -> None:
    _Process.stage, _Process.heads = Stage(of), heads


def _play(piece: Slice) -> Rehearsed:
    return _Process.stage.play(piece, _Process.heads, lambda _: None)
