"""`callgate audit erase`: erases of the record what a selector covers, and keeps its proofs."""

from __future__ import annotations

import json
from typing import Any

import click

from callgate.audit.selecting import Selector
from callgate.cli.audit.desk import (
    covers_of,
    desk_options,
    gateway_of,
    here,
    selector_from,
    selector_options,
)
from callgate.cli.audit.opening import answering
from callgate.storage.retention.desk import ErasingDesk

HELD = 1  # the exit code where something is kept by a hold, or by calls that go on


@click.command()
@selector_options
@click.option(
    "--what",
    type=click.Choice(("payloads", "calls")),
    default="calls",
    show_default=True,
    help="`payloads`: arguments and results. `calls`: all that the record says of the calls.",
)
@click.option("--reason", help="Why: it is recorded. Needed with --yes.")
@click.option("--yes", is_flag=True, help="Erase. Without it, only what would go is counted.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@desk_options
def erase(what: Any, reason: str | None, *, yes: bool, as_json: bool, **chosen: Any) -> None:
    """Erase what the options cover: `--principal ada --what calls --yes`. It does not come back.

    Place, time, outcome and hash of each entry stay, so that all proofs hold; an event of the
    record says what was erased, why, and by whom. What a hold covers is not erased.

    Exit code 0: nothing is left. 1: some is, for it is held or goes on. 2: it could not be done.
    """
    selector = selector_from(chosen)
    if yes and not (reason or "").strip():
        raise click.UsageError("--yes needs a --reason")
    why = reason if yes else None
    with answering():
        gateway = gateway_of(chosen)
        if gateway is None:
            said = here(chosen, lambda desk, author: _done(desk, selector, what, why, author))
        else:
            body = {"what": what, "covers": covers_of(selector), "dry_run": not yes}
            asked = {**body, "reason": reason} if yes else body
            said = gateway.ask("POST", "/api/v1/erasures", asked)
    if as_json:
        click.echo(json.dumps(said))
    else:
        _tell(said, is_done=yes)
    if said["held"] or said["open"]:
        raise click.exceptions.Exit(HELD)


def _done(
    desk: ErasingDesk, selector: Selector, what: Any, reason: str | None, author: str
) -> dict[str, Any]:
    if reason is None:
        return {**desk.count(selector, what).told(), "erased": False}
    return {**desk.erase(selector, what, reason, author).told(), "erased": True}


def _tell(said: dict[str, Any], *, is_done: bool) -> None:
    verb = "were erased" if is_done else "would be erased; do it with --yes and a --reason"
    click.echo(f"{said['entries']} entries of {said['calls']} calls {verb}.")
    if said["held"]:
        click.echo(
            f"{said['held']} calls are under hold and stay: see `callgate audit hold list`.",
            err=True,
        )
    if said["open"]:
        click.echo(f"{said['open']} calls have not ended and stay: try again later.", err=True)
