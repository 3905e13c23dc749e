"""`callgate policy fmt`: policy files in one layout."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from callgate.cli.policy.grounds import (
    CANNOT,
    Chosen,
    config_options,
    configured,
    counted,
    policy_paths,
    read_text,
    shown_path,
)
from callgate.config.placing import mode_of, place
from callgate.policy.layout import laid_out
from callgate.policy.source import PolicyError

OTHERWISE = 1


@click.command()
@config_options
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, allow_dash=True))
@click.option("--check", is_flag=True, help="Write nothing; exit code 1 where a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; show what would change.")
def fmt(chosen: Chosen, files: tuple[Path, ...], check: bool, diff: bool) -> None:
    """Lay out policy files in Cedar's own style. Comments stay.

    FILES are files, directories, or - for standard input. Without FILES: those of the
    configuration. A file is replaced whole, and only by a text that says the same.

    Exit codes: 0 done, 1 a file would change (--check, --diff), 2 a file cannot be laid out.
    """
    if files == (Path("-"),):
        _from_input()
        return
    paths = list(policy_paths(files)) if files else list(configured(chosen).policy_files)
    changed, broken = 0, 0
    for path in paths:
        try:
            changed += _lay_out(path, is_dry=check or diff, with_diff=diff)
        except PolicyError as error:
            broken += 1
            click.echo(str(error), err=True)
    would = "would change" if check or diff else "changed"
    click.echo(f"{counted(len(paths), 'file')}: {changed} {would}", err=True)
    if broken:
        sys.exit(CANNOT)
    if changed and (check or diff):
        sys.exit(OTHERWISE)


def _lay_out(path: Path, *, is_dry: bool, with_diff: bool) -> bool:
    """Lays out one file; whether it is, or would be, another. Raises PolicyError."""
    text, shown = read_text(path), shown_path(path)
    found = laid_out(shown, text)
    if found == text:
        return False
    if with_diff:
        before, after = (one.splitlines(keepends=True) for one in (text, found))
        difference = difflib.unified_diff(before, after, shown, f"{shown} (laid out)")
        click.echo("".join(difference), nl=False)
    elif is_dry:
        click.echo(shown)
    else:
        place(path, found, mode_of(path))
        click.echo(shown)
    return True


def _from_input() -> None:
    try:
        click.echo(laid_out("<stdin>", sys.stdin.read()), nl=False)
    except PolicyError as error:
        click.echo(str(error), err=True)
        sys.exit(CANNOT)
