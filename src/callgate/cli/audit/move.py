"""`callgate audit move`: takes the record to another database, with all that proves it."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import ValidationError

from callgate.cli.audit.opening import cannot
from callgate.cli.progress import progress
from callgate.cli.store import PLACES, store_options, store_settings
from callgate.ports import StoreError
from callgate.storage.moving import move as carry
from callgate.storage.postgres_url import is_url
from callgate.storage.settings import StoreSettings


@click.command()
@click.argument("to", metavar="TO")
@store_options
def move(to: str, config: Path | None, store: str | None) -> None:
    """Take the record to TO: a SQLite file, or postgresql://user@host/database.

    Stop the gateways first. TO must be empty. All logs, checkpoints and policies arrive as they
    were, and are compared; the old place can still be read, but no gateway writes there any more.
    Then set `store.url` or `store.path`, and keep the signing key. Large payloads in the blob store
    stay where they are.
    """
    old = store_settings(config, store)
    others = {name: value for name, value in old if name not in PLACES}
    place = {"url": to} if is_url(to) else {"path": Path(to)}
    try:
        new = StoreSettings.model_validate({**others, **place})
    except ValidationError as error:
        words = "; ".join(one["msg"] for one in error.errors(include_input=False))
        raise click.UsageError(f"TO cannot be used: {words}") from None
    if old.url is None and not old.path.is_file():
        cannot(f"there is no record at {old.path}")
    if new.place == old.place:
        raise click.UsageError("TO is where the record is")
    try:
        with progress("moving") as (_, tell):
            count = carry(old, new, tell)
    except StoreError as error:
        cannot(error)
    setting = "store.path" if new.url is None else "store.url"
    click.echo(f"{count} entries are at {new.place} now. Set {setting}, then prove it there:")
    click.echo(f"  callgate audit verify --store {new.place}")
