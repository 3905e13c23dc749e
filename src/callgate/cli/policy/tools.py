"""`callgate policy tools`: what the targets offer, as a file that other commands can work on."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from callgate.app.snapshot import Snapshot, snapshot_text
from callgate.cli.policy.grounds import (
    CannotSay,
    Chosen,
    asked,
    config_options,
    configured,
    counted,
    read_text,
)
from callgate.config.placing import place


@click.command()
@config_options
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it.  [default: standard output]",
)
@click.option(
    "--allow-silent", is_flag=True, help="Leave out targets that do not answer, and go on."
)
@click.option(
    "--check", "is_check", is_flag=True, help="Write nothing: say whether --output is current."
)
def tools(chosen: Chosen, output: Path | None, allow_silent: bool, is_check: bool) -> None:
    """Write the tools of all targets as JSON: target → definitions, as the target sent them.

    With that file, --tools lets the other commands work where no target can be reached, as in CI.

    Exit codes: 0 written or current; 1 not current (--check); 2 a target did not answer.
    """
    if is_check and output is None:
        raise click.UsageError("--check needs --output: the file to compare with")
    config = configured(chosen)
    snapshot = asked(config)
    _say(snapshot, tuple(config.targets))
    if snapshot.silent and not allow_silent:
        names = ", ".join(snapshot.silent)
        raise CannotSay(f"nothing is known of {names}; --allow-silent leaves out such targets")
    text = snapshot_text(snapshot, config.targets)
    if output is None:
        click.echo(text, nl=False)
    elif not is_check:
        place(output, text)
        click.echo(f"wrote {output}: {counted(len(snapshot.tools), 'tool')}", err=True)
    elif read_text(output) != text:
        click.echo(f"{output} is not what the targets offer now; write it again", err=True)
        sys.exit(1)
    else:
        click.echo(f"{output} is current", err=True)


def _say(snapshot: Snapshot, targets: tuple[str, ...]) -> None:
    for name in targets:
        if name in snapshot.silent:
            click.echo(f"target {name}: cannot be asked now ({snapshot.silent[name]})", err=True)
        else:
            click.echo(f"target {name}: {counted(len(snapshot.of(name)), 'tool')}", err=True)
    for sentence in snapshot.unusable:
        click.echo(sentence, err=True)
