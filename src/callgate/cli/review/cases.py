"""`callgate review export-cases`: policy test cases out of reviewers' verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import yaml

from callgate.cli.instants import Instant
from callgate.cli.store import open_records, store_options
from callgate.pipeline.replay import Recall
from callgate.policy.decided import Decision, Left
from callgate.ports import RecordReader, StoreError
from callgate.review.cases import Judged, export
from callgate.review.verdicts import REVIEW_VERDICT, ReviewVerdict, verdicts_of


@click.command("export-cases")
@click.option("--since", type=Instant(), help="Verdicts from then on: `7d`, `2026-10-01`.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write, such as policies/tests/verdicts.yaml.  [default: standard output]",
)
@store_options
def export_cases(
    since: float | None, output: Path | None, config: Path | None, store: str | None
) -> None:
    """Write policy test cases out of verdicts, for `callgate policy test`.

    What was over-blocked is expected to be permitted, what was missed to be refused, and what was
    justified to come out as it did. Verdicts that are not about policy alone are named on standard
    error and left out.
    """
    records = open_records(config, store)
    try:
        verdicts = verdicts_of(records.events((REVIEW_VERDICT,), since))
        found = export(list(judged(records, verdicts)))
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    for sentence in found.left:
        click.echo(f"left out: {sentence}", err=True)
    if not found.count:
        raise click.ClickException("no verdict in the record can become a case")
    text = yaml.safe_dump(found.suite, sort_keys=False, allow_unicode=True, width=100)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{output}: {error.strerror or error}") from None
    click.echo(f"{output}: {found.count} cases")


def judged(records: RecordReader, verdicts: dict[str, ReviewVerdict]) -> Iterator[Judged]:
    """Each verdict with the decision that it is about. Raises StoreError."""
    recall = Recall(records)
    for call, verdict in verdicts.items():
        decision, problem = None, "policy was not asked"
        for entry in records.entries(call):
            found = recall.decision(entry)
            if isinstance(found, Decision):
                decision = found
            elif isinstance(found, Left):
                problem = found.reason
        yield Judged(verdict=verdict, decision=decision, problem=problem)
