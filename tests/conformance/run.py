"""Compares what the conformance suite says with and without the gateway: `make conformance`."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

sys.path.insert(0, str(Path(__file__).parent.parent))

from conformance.cells import CELLS, Outcome, Runs
from conformance.comparing import failed, passed
from conformance.suite import Check

MOST_CHARACTERS = 1500
MOST_LINES = 15
COLUMNS = 110  # where nobody says how wide the screen is


def main() -> int:
    options = parse_options()
    cells = [cell for cell in CELLS if options.only in (None, cell.name, cell.revision)]
    if options.scenario is not None:
        cells = [cell for cell in cells if cell.has(options.scenario)]
    if not cells:
        sys.exit(f"the suite has no scenario {options.scenario} there")
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = COLUMNS
    with kept_in(options.keep) as directory:
        runs = Runs(directory, options.scenario)
        try:
            for cell in cells:
                runs.start(cell)
            outcomes = []
            for cell in cells:
                outcome = runs.outcome(cell)
                outcomes.append(outcome)
                show(console, outcome, directory, options.scenario)
        finally:
            runs.close()
    console.print(table(outcomes))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def show(console: Console, outcome: Outcome, directory: Path, scenario: str | None) -> None:
    """What differs, and what is wrong; of one scenario, every check side by side, and the logs."""
    console.print(Text(outcome.cell.name, "bold"))
    if scenario is not None:
        for line in side_by_side(outcome, scenario):
            console.print(Text(line))
        for line in logs(directory, outcome.cell.name):
            console.print(Text(line, "dim"))
    for difference in outcome.differences:
        if difference not in outcome.unexpected:
            console.print(Text(f"  differs: {difference}", "yellow"))
    for complaint in outcome.complaints():
        console.print(Text(f"  {complaint}", "red"))


def logs(directory: Path, cell: str) -> Iterator[str]:
    """The ends of what the gateway, and the client behind it, wrote."""
    through = directory / f"{cell}-through"
    for path in sorted([*through.rglob("gateway.log"), *through.rglob("stderr.txt")]):
        yield f"  {path.name}:"
        yield from (f"    {line}" for line in path.read_text("utf-8").splitlines()[-MOST_LINES:])


def side_by_side(outcome: Outcome, scenario: str) -> Iterator[str]:
    """Every check of a scenario on both ways, with what it says where it did not pass."""
    for way, results in (("direct", outcome.direct), ("through", outcome.through)):
        for check in results.get(scenario, ()):
            yield f"  {way:7} {check.status:7} {check.id} ({check.name})"
            if check.status in ("FAILURE", "WARNING"):
                yield from explained(check)


def explained(check: Check) -> Iterator[str]:
    if check.says:
        yield f"          {check.says[:MOST_CHARACTERS]}"
    if check.details:
        yield f"          {json.dumps(check.details, ensure_ascii=False)[:MOST_CHARACTERS]}"


def table(outcomes: list[Outcome]) -> Table:
    """One line for each cell; the numbers are those of the direct run and of the one through."""
    shown = Table(box=SIMPLE)
    shown.add_column("cell", no_wrap=True)
    for title in ("passed", "failed"):
        shown.add_column(f"{title}\ndirect / through", justify="right", no_wrap=True)
    shown.add_column("differences", justify="right", no_wrap=True)
    shown.add_column("allowed", justify="right", no_wrap=True)
    shown.add_column("", no_wrap=True)
    for outcome in outcomes:
        worse = sum(difference.is_worse for difference in outcome.differences)
        shown.add_row(
            outcome.cell.name,
            f"{passed(outcome.direct)} / {passed(outcome.through)}",
            f"{failed(outcome.direct)} / {failed(outcome.through)}",
            str(len(outcome.differences)),
            str(worse - len(outcome.unexpected)),
            "ok" if outcome.is_good else "not ok",
        )
    return shown


@contextmanager
def kept_in(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        directory.mkdir(parents=True)  # never mixed with what an earlier run left
        yield directory.resolve()
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        choices=sorted({cell.revision for cell in CELLS} | {cell.name for cell in CELLS}),
        metavar="CELL",
        help="one cell, or all cells of a revision: " + ", ".join(cell.name for cell in CELLS),
    )
    parser.add_argument("--scenario", help="one scenario, with every check side by side")
    parser.add_argument("--keep", type=Path, help="a new directory for results, logs and records")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
