"""`callgate key`: makes API keys."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import click
from pydantic import ValidationError

from callgate.config.starter import yaml_text
from callgate.identity.api_keys import ApiKeySettings, digest_of, new_key


@click.group()
def key() -> None:
    """Make API keys."""


@key.command()
@click.option("--principal", required=True, help="Id of the principal the key stands for.")
@click.option("--name", help="What to call the key.  [default: the principal]")
@click.option("--group", "groups", multiple=True, help="A group of the principal; repeatable.")
@click.option("--tenant", help="The tenant it belongs to.")
@click.option("--agent", help="Id of the agent that will use the key.")
@click.option("--expires-at", help="When it stops working, as 2027-01-31T00:00:00Z.")
def new(
    principal: str,
    name: str | None,
    groups: tuple[str, ...],
    tenant: str | None,
    agent: str | None,
    expires_at: str | None,
) -> None:
    """Make an API key, and print the entry for callgate.yaml.

    The key is printed once and kept nowhere. The entry holds only its SHA-256, so it may be
    committed. To revoke the key, remove the entry.
    """
    secret = new_key()
    entry: dict[str, Any] = {
        "name": name or principal,
        "sha256": digest_of(secret),
        "principal": principal,
        "groups": list(groups),
        "tenant": tenant,
        "agent": agent,
        "expires_at": expires_at,
    }
    entry = {field: value for field, value in entry.items() if value not in (None, [])}
    try:
        settings = ApiKeySettings.model_validate(entry)
    except ValidationError as error:
        raise click.UsageError("\n".join(_problems(error, is_named=name is not None))) from None
    now = time.time()  # noqa: TID251 - the command line is where time comes in
    if settings.expires_at is not None and settings.expires_at.timestamp() <= now:
        raise click.UsageError("--expires-at: this is past: no gateway would take the key")
    click.echo("The key. It is shown once and kept nowhere:\n")
    click.echo(f"  {secret}\n")
    click.echo("Callers present it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
    click.echo("Add this to callgate.yaml:\n")
    click.echo(yaml_text({"identity": {"api_keys": [entry]}}), nl=False)


def _problems(error: ValidationError, *, is_named: bool) -> Iterator[str]:
    """A line for each option. What the name took from the principal is said of the principal."""
    for detail in error.errors(include_url=False, include_input=False):
        field = str(detail["loc"][0])
        if field == "name" and not is_named:
            continue
        message = detail["msg"].removeprefix("Value error, ")
        if field == "expires_at":
            message = "must be an instant with its zone, as in 2027-01-31T00:00:00Z"
        yield f"--{field.replace('_', '-').removesuffix('s')}: {message}"
