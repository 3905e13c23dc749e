"""`callgate policy versions` and `rollback`: what the store held, and back to it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import msgspec

from callgate.audit.explain import printable
from callgate.audit.record import rfc3339
from callgate.cli.policy.control import ControlApi, as_option, control_option
from callgate.cli.run import config_option, env_file_option, load
from callgate.config import Config
from callgate.policy.versions import Version, difference
from callgate.ports import StoreError
from callgate.storage.versions import StoredPolicyVersions

T = TypeVar("T")


@click.command()
@click.option("--show", type=click.IntRange(min=0), help="Print the policies of this version.")
@click.option(
    "--diff", type=click.IntRange(min=0), nargs=2, help="Print what changed between two versions."
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@config_option
@env_file_option
def versions(
    show: int | None,
    diff: tuple[int, int] | None,
    limit: int,
    as_json: bool,
    config: Path,
    env_file: Path | None,
) -> None:
    """List the versions of the policies in the store, newest first.

    Reads the record's database itself: the gateway need not run.
    """
    kept = StoredPolicyVersions(_with_store(load(config, env_file)).store)
    if show is not None:
        found = _version(kept, show)
        for identifier, text in found.policies.items():
            click.echo(f"// {identifier}\n{text}\n")
        return
    if diff is not None:
        old, new = (_version(kept, number) for number in diff)
        click.echo(difference(old.policies, new.policies).text, nl=False)
        return
    for info in _asked(lambda: kept.infos(limit)):
        if as_json:
            click.echo(json.dumps(msgspec.to_builtins(info)))
        else:
            message = printable(info.message) or "-"
            when = rfc3339(info.created_at)[:19]
            click.echo(f"{info.number:>5}  {when}Z  {printable(info.author):<16}  {message}")


@click.command()
@click.argument("version", type=click.IntRange(min=0))
@click.option("--message", default="", help="Why.")
@click.option("--dry-run", "is_dry", is_flag=True, help="Only say what would change.")
@control_option
@as_option
@config_option
@env_file_option
def rollback(  # noqa: PLR0913, PLR0917 - a command's options
    version: int,
    message: str,
    is_dry: bool,
    url: str | None,
    operator: str | None,
    config: Path,
    env_file: Path | None,
) -> None:
    """Go back to an earlier VERSION of the policies in the store, as a new version.

    The running gateway does it, and refuses where those policies do not fit the tools of today.
    """
    api = ControlApi(_with_store(load(config, env_file)), url, operator)
    body = {"version": version, "message": message, "dry_run": is_dry}
    told = api.ask("POST", "/api/v1/policies/rollback", body)
    click.echo(told["change"]["text"], nl=False)
    number = told["version"]["number"]
    click.echo("nothing was changed" if is_dry else f"version {number} holds what {version} held")


def _with_store(config: Config) -> Config:
    if not config.policies.store:
        raise click.ClickException("no policies are kept in the store: set policies.store: true")
    return config


def _version(kept: StoredPolicyVersions, number: int) -> Version:
    found = _asked(lambda: kept.get(number))
    if found is None:
        raise click.ClickException(f"there is no version {number}")
    return found


def _asked(question: Callable[[], T]) -> T:
    try:
        return question()
    except StoreError as error:
        raise click.ClickException(str(error)) from None
