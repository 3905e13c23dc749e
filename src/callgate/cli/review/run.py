"""`callgate review run`: one run with findings and data flow; verdicts on its calls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from callgate.cli.policy.control import ControlApi, as_option, control_option
from callgate.cli.run import load
from callgate.cli.store import DEFAULT_CONFIG, open_records, store_options
from callgate.pipeline.reviewing import NotOneRun, Reviewer
from callgate.ports import StoreError
from callgate.review.report.run import run_report
from callgate.review.reviewed import Reviewed
from callgate.review.timeline import in_words
from callgate.review.verdicts import MAX_NOTE, Judgement


class Verdict(click.ParamType[tuple[str, Judgement]]):
    """`CALL=justified`; CALL is an id, its beginning, or the number of the call in the run."""

    name = "call=verdict"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Judgement]:
        """The call as it was named, and the verdict."""
        if isinstance(value, tuple):
            return value
        call, _, said = str(value).rpartition("=")
        if not call or said not in list(Judgement):
            self.fail(f"{value!r} is not CALL={'|'.join(Judgement)}")
        return call, Judgement(said)


@click.command()
@click.argument("start", metavar="[RUN]", required=False)
@click.option("--last", is_flag=True, help="The run of the latest call.")
@click.option(
    "--verdict",
    "verdicts",
    type=Verdict(),
    multiple=True,
    metavar="CALL=VERDICT",
    help="Say of a call (its number in the run, or its id) that how it came out was justified, "
    "over-blocked or missed. May be given again.",
)
@click.option("--note", default="", help="Why, for all verdicts of this command.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a report.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@control_option
@as_option
@store_options
def run(start: str | None, config: Path | None, store: str | None, **chosen: Any) -> None:
    """Show a run: every call, where its arguments came from, what changed, and what stands out.

    RUN is the id of a run, of a call in it, or of its MCP session, or the beginning of one.

    A verdict is kept in the record by the running gateway, under the name of the operator who gives
    it. `callgate review export-cases` makes policy test cases of verdicts.
    """
    if (start is None) is not chosen["last"]:
        raise click.UsageError("name a run, a call or a session; or say --last")
    reviewer = Reviewer(open_records(config, store))
    try:
        name = reviewer.last_run() if start is None else reviewer.run_named(start)
        found = reviewer.review(name)
        if chosen["verdicts"]:
            _judge(found, config, **chosen)
            found = reviewer.review(name)
    except (NotOneRun, StoreError) as error:
        raise click.ClickException(str(error)) from error
    if chosen["html"] is not None:
        write_report(chosen["html"], run_report(found))
    elif chosen["as_json"]:
        click.echo(json.dumps(found.as_json()))
    elif not chosen["verdicts"]:
        for line in in_words(found):
            click.echo(line)


def write_report(file: Path, text: str) -> None:
    """Writes a report whole. Raises ClickException."""
    try:
        file.touch(mode=0o600)  # what is in it is confidential: who passes it on, opens it
        file.write_text(text, "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    click.echo(f"{file}: {len(text.encode()) // 1024 + 1} kB")


def _judge(
    found: Reviewed,
    config: Path | None,
    *,
    verdicts: tuple[tuple[str, Judgement], ...],
    note: str,
    url: str | None,
    operator: str | None,
    **_: Any,
) -> None:
    if len(note) > MAX_NOTE:
        raise click.ClickException(f"--note has at most {MAX_NOTE} characters")
    named = [(_call_of(found, call), verdict) for call, verdict in verdicts]
    api = ControlApi(load(config or DEFAULT_CONFIG, None), url, operator)
    for call, verdict in named:
        body = {"call": call, "verdict": verdict.value, "note": note}
        api.ask("POST", f"/api/v1/runs/{found.run}/verdicts", body)
        click.echo(f"{call}: {verdict.value}")


def _call_of(found: Reviewed, named: str) -> str:
    if named.isdecimal() and 0 < int(named) <= len(found.steps):
        return found.steps[int(named) - 1].call
    matching = [step.call for step in found.steps if step.call.startswith(named)]
    if len(matching) != 1:
        many = "more than one call" if matching else "no call"
        raise click.ClickException(f"{many} of the run {found.run} begins with {named!r}")
    return matching[0]
