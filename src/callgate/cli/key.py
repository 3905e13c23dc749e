"""`callgate key`: makes API keys."""

from __future__ import annotations

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
        ApiKeySettings.model_validate(entry)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        lines = (f"--{detail['loc'][0]}: {detail['msg']}".replace("_", "-") for detail in details)
        raise click.UsageError("\n".join(lines)) from None
    click.echo("The key. It is shown once and kept nowhere:\n")
    click.echo(f"  {secret}\n")
    click.echo("Callers present it as `Authorization: Bearer <key>` or `X-API-Key: <key>`.")
    click.echo("Add this to callgate.yaml:\n")
    click.echo(yaml_text({"identity": {"api_keys": [entry]}}), nl=False)
