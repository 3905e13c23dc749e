"""The cells: which client, revision and server are compared with and without the gateway."""

from __future__ import annotations

import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.comparing import (
    Allowed,
    Difference,
    against_baseline,
    differences,
    failing,
    read_baseline,
)
from conformance.servers import fixture, gateway
from conformance.suite import (
    Results,
    examine_client,
    examine_server,
    scenarios,
)

BOTH = "both"
CLIENT = "client"
SERVER = "server"


@dataclass(frozen=True)
class Cell:
    """One comparison. `era` is what the target behind the gateway speaks."""

    name: str
    revision: str
    role: str = SERVER
    era: str = BOTH

    @property
    def crosses_eras(self) -> bool:
        """Only there may something differ."""
        return self.era != BOTH

    def has(self, scenario: str) -> bool:
        """Whether the suite runs a scenario in it."""
        return scenario in scenarios(self.role, self.revision).run


CELLS = (
    Cell("2025-03-26", "2025-03-26"),
    Cell("2025-06-18", "2025-06-18"),
    Cell("2025-11-25", "2025-11-25"),
    Cell("2026-07-28", "2026-07-28"),
    Cell("2026-07-28-to-legacy", "2026-07-28", era="legacy"),
    Cell("2025-11-25-to-modern", "2025-11-25", era="modern"),
    Cell("client-2025-11-25", "2025-11-25", role=CLIENT),
    Cell("client-2026-07-28", "2026-07-28", role=CLIENT),
)
MAY_DIFFER = frozenset(cell.name for cell in CELLS if cell.crosses_eras)


@dataclass(frozen=True)
class Outcome:
    """What a cell shows."""

    cell: Cell
    direct: Results
    through: Results
    differences: list[Difference]
    unexpected: list[Difference]  # for the worse, and not in the baseline
    stale: list[Allowed]  # in the baseline, and not worse any more
    failing: list[str]  # required scenarios that fail, and where

    @property
    def is_good(self) -> bool:
        """Nothing is worse than it may be, and the baseline holds no more than it must."""
        return not (self.unexpected or self.stale or self.failing)

    def complaints(self) -> list[str]:
        """Everything that is wrong."""
        return [
            *(f"worse through the gateway: {one}" for one in self.unexpected),
            *(f"required and failing {one}" for one in self.failing),
            *(f"take it out of the baseline, it holds again: {one}" for one in self.stale),
        ]


class Runs:
    """Runs of the suite, two at a time; what several cells compare with is run once."""

    def __init__(self, directory: Path, scenario: str | None = None) -> None:
        self._directory = directory
        self._scenario = scenario
        self._allowed = [
            one for one in read_baseline(MAY_DIFFER) if scenario in (None, one.scenario)
        ]
        self._pool = ThreadPoolExecutor(2)
        self._direct: dict[tuple[str, str], Future[Results]] = {}
        self._through: dict[str, Future[Results]] = {}

    def start(self, cell: Cell) -> None:
        """Begins both runs of a cell, where they have not begun."""
        alike = (cell.role, cell.revision)
        if alike not in self._direct:
            place = self._directory / f"{cell.role}-{cell.revision}-direct"
            self._direct[alike] = self._pool.submit(self._run_directly, cell, place)
        if cell.name not in self._through:
            place = self._directory / f"{cell.name}-through"
            self._through[cell.name] = self._pool.submit(self._run_through, cell, place)

    def outcome(self, cell: Cell) -> Outcome:
        """Waits for both runs of a cell and compares them."""
        self.start(cell)
        direct = self._direct[cell.role, cell.revision].result()
        through = self._through[cell.name].result()
        found = differences(direct, through)
        unexpected, stale = against_baseline(cell.name, found, self._allowed)
        required = self._required(cell)
        wrong = [f"directly: {one}" for one in failing(direct, required)]
        if not cell.crosses_eras:  # there the baseline says what may fail
            wrong += [f"through the gateway: {one}" for one in failing(through, required)]
        return Outcome(cell, direct, through, found, unexpected, stale, wrong)

    def close(self) -> None:
        """Gives up what has not begun and waits for the rest."""
        self._pool.shutdown(cancel_futures=True)

    def _required(self, cell: Cell) -> frozenset[str]:
        required = scenarios(cell.role, cell.revision).required
        return required if self._scenario is None else required & {self._scenario}

    def _run_directly(self, cell: Cell, place: Path) -> Results:
        if cell.role == CLIENT:
            return self._run_clients(cell, place, ["conformance.client"])
        with fixture(BOTH) as url:
            return examine_server(url, cell.revision, place / "results", self._scenario)

    def _run_through(self, cell: Cell, place: Path) -> Results:
        if cell.role == CLIENT:
            return self._run_clients(cell, place, ["conformance.through", "--keep"])
        with fixture(cell.era) as target, gateway(place / "gateway", target) as url:
            return examine_server(url, cell.revision, place / "results", self._scenario)

    def _run_clients(self, cell: Cell, place: Path, module: list[str]) -> Results:
        results: Results = {}
        for scenario in sorted(scenarios(cell.role, cell.revision).run):
            if self._scenario not in (None, scenario):
                continue
            command = [sys.executable, "-m", *module]
            if module[-1] == "--keep":
                command.append(str(place / scenario / "gateway"))
            found = examine_client(command, cell.revision, place / scenario / "results", scenario)
            results.update(found)
        return results
