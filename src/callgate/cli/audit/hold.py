"""`callgate audit hold`: what must not be erased, whatever the settings say."""

from __future__ import annotations

import json
from typing import Any

import click

from callgate.audit.explain import printable
from callgate.audit.selecting import selector_of
from callgate.cli.audit.desk import (
    covers_of,
    desk_options,
    gateway_of,
    here,
    selector_from,
    selector_options,
)
from callgate.cli.audit.opening import cannot
from callgate.cli.store import store_options, store_settings
from callgate.ports import StoreError
from callgate.storage.databases import database_of, faults_of
from callgate.storage.retention.reading import read_holds


def _said(context: click.Context, option: click.Parameter, value: str) -> str:
    if not value.strip():
        raise click.BadParameter("it is recorded, and empty", context, option)
    return value


_REASON = click.option("--reason", required=True, callback=_said, help="Why: it is recorded.")


@click.group()
def hold() -> None:
    """Keep records from being erased, by retention and by `callgate audit erase`."""


@hold.command()
@selector_options
@_REASON
@desk_options
def place(reason: str, **chosen: Any) -> None:
    """Hold what the options cover. All that are given must be so.

    When the command has ended, nothing of it is erased any more. What was erased before stays so.
    """
    selector = selector_from(chosen)
    gateway = gateway_of(chosen)
    if gateway is None:
        said = here(chosen, lambda desk, author: desk.place(selector, reason, author).told())
    else:
        body = {"covers": covers_of(selector), "reason": reason}
        said = gateway.ask("POST", "/api/v1/holds", body)
    click.echo(f"{said['id']}: held is {printable(selector.in_words())}")


@hold.command()
@click.argument("id_", metavar="ID")
@_REASON
@desk_options
def release(id_: str, reason: str, **chosen: Any) -> None:
    """End a hold, by its id or the beginning of it. Retention then goes on."""
    gateway = gateway_of(chosen)
    if gateway is None:
        found = here(chosen, lambda desk, author: desk.release(id_, reason, author))
        if found is None:
            cannot(f"there is not exactly one hold in force whose id begins with {id_}")
        said = found.told()
    else:
        said = gateway.ask("POST", f"/api/v1/holds/{id_}/release", {"reason": reason})
    click.echo(f"{said['id']} is released")


@hold.command("list")
@store_options
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def listed(config: Any, store: str | None, *, as_json: bool) -> None:
    """Show the holds in force, from the record itself."""
    database = database_of(store_settings(config, store))
    try:
        with faults_of(database), database.open_to_read().connect() as connection:
            holds = [one.told() for one in read_holds(connection)[0]]
    except StoreError as error:
        cannot(error)
    if as_json:
        click.echo(json.dumps({"holds": holds}))
        return
    for one in holds:
        covers = selector_of(one["covers"]).in_words()
        words = f"{one['at'][:19]}Z {one['author']}: {covers}. {one['reason']}"
        click.echo(f"{one['id']}  {printable(words)}")
    if not holds:
        click.echo("Nothing is held.")
