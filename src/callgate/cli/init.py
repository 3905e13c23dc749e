"""`callgate init`: writes a configuration to start from, or one for the servers a client has."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

import click

from callgate.config import ConfigError, load_config
from callgate.config.clients import (
    Client,
    ClientConfig,
    ClientError,
    gateway_entry,
    read_client_config,
    with_gateway,
)
from callgate.config.env_file import EnvFileError, env_file_text, read_env_file
from callgate.config.migration import Migration, migrate
from callgate.config.placing import PRIVATE, keep_copy, mode_of, place
from callgate.config.schema import schema_text
from callgate.config.starter import (
    EXAMPLE_MODULE,
    EXAMPLE_POLICY,
    EXAMPLE_TARGETS,
    config_text,
    policies_text,
)

CONFIG_FILE = Path("callgate.yaml")
POLICY_FILE = Path("policies/starter.cedar")
SCHEMA_FILE = Path("callgate.schema.json")
EXAMPLE_FILE = Path("shop.py")
SECRETS_FILE = Path("callgate.secrets.env")
GATEWAY_URL = "http://127.0.0.1:8080/mcp"
SECRETS_HEAD = """\
# Secrets that `callgate init` found in a client's configuration. Readable by you only; keep it out
# of version control. Callgate reads it only where told to: callgate run --env-file {name}
"""


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Put the gateway in front of the MCP servers of this client's configuration: Claude "
    "Desktop, Claude Code, Cursor or VS Code.",
)
@click.option(
    "--client",
    type=click.Choice([client.value for client in Client]),
    help="Which client reads FILE.  [default: what its name says]",
)
@click.option("--write", is_flag=True, help="Replace FILE too, after keeping a copy of it.")
@click.option("--force", is_flag=True, help="Overwrite files that are there already.")
def init(
    directory: Path, source: Path | None, client: str | None, write: bool, force: bool
) -> None:
    """Write callgate.yaml and a first policy into DIRECTORY, ready to run.

    Without --from: one example target, open to this machine only. With --from FILE: exactly the
    servers in FILE, permitted as they were, and FILE's own text with the gateway in their place.
    """
    if source is None:
        if client or write:
            raise click.UsageError("--client and --write belong to --from")
        _write_example(directory, is_forced=force)
    else:
        _write_for_client(directory, _client_config(source, client), write=write, is_forced=force)


def _write_example(directory: Path, *, is_forced: bool) -> None:
    texts = {
        CONFIG_FILE: config_text("A gateway with one example target.", EXAMPLE_TARGETS),
        POLICY_FILE: policies_text(EXAMPLE_TARGETS, EXAMPLE_POLICY),
        SCHEMA_FILE: schema_text(),
        EXAMPLE_FILE: EXAMPLE_MODULE,
    }
    _require_free(directory, texts, is_forced=is_forced)
    for name, text in texts.items():
        place(directory / name, text)
        click.echo(f"wrote {directory / name}")
    click.echo("\nNext:")
    click.echo(f"  {_run_command(directory)}")
    click.echo(f"  and connect an MCP client to {GATEWAY_URL}")


def _run_command(directory: Path) -> str:
    return (
        "callgate run"
        if directory == Path()
        else f"callgate run --config {directory / CONFIG_FILE}"
    )


def _client_config(source: Path, client: str | None) -> ClientConfig:
    try:
        return read_client_config(
            Path(os.path.abspath(source.expanduser())), Client(client) if client else None
        )
    except ClientError as error:
        raise click.ClickException(str(error)) from None


def _write_for_client(
    directory: Path, config: ClientConfig, *, write: bool, is_forced: bool
) -> None:
    migration = migrate(config, environ=os.environ, home=Path.home(), gateway_url=GATEWAY_URL)
    if not migration.targets:
        reasons = "\n".join(f"  - {note}" for note in migration.notes)
        raise click.ClickException(f"there is nothing to put a gateway before:\n{reasons}")
    changed = config.path.with_name(f"{config.path.name}.callgate.json")
    title = f"A gateway before the MCP servers of {config.path.name} ({config.client.value})."
    texts = {
        CONFIG_FILE: config_text(title, migration.targets),
        POLICY_FILE: policies_text(migration.targets),
        SCHEMA_FILE: schema_text(),
    }
    _require_free(directory, [*texts, *([] if write else [changed])], is_forced=is_forced)
    for name, text in texts.items():
        place(directory / name, text)
        click.echo(f"wrote {directory / name}")
    _write_secrets(directory / SECRETS_FILE, migration.secrets)
    _require_valid(directory, migration)
    entry = gateway_entry(config.client, GATEWAY_URL, _wrap_command(directory, migration))
    document = json.dumps(
        with_gateway(config, migration.moved, entry), indent=2, ensure_ascii=False
    )
    if write:
        click.echo(f"kept  {keep_copy(config.path)}")
        place(config.path, document + "\n", mode_of(config.path))
        click.echo(f"wrote {config.path}")
    else:
        place(changed, document + "\n", mode_of(config.path))
        click.echo(f"wrote {changed}")
    _say_what_is_next(directory, config, migration, None if write else changed)


def _require_free(directory: Path, names: Iterable[Path], *, is_forced: bool) -> None:
    taken = [str(directory / name) for name in names if (directory / name).exists()]
    if taken and not is_forced:
        raise click.ClickException(
            f"{', '.join(taken)} already there; add --force to overwrite, or name a directory"
        )


def _write_secrets(path: Path, found: Mapping[str, str]) -> None:
    """INVARIANT: a secret in the file is never lost: it may be gone from where it came from."""
    if not found:
        return
    try:
        known = read_env_file(path) if path.exists() else {}
    except EnvFileError as error:
        raise click.ClickException(str(error)) from None
    filled = {name: value for name, value in found.items() if value or name not in known}
    text = SECRETS_HEAD.format(name=path.name) + env_file_text({**known, **filled})
    place(path, text, PRIVATE)
    click.echo(f"wrote {path}")


def _require_valid(directory: Path, migration: Migration) -> None:
    """What we wrote must run; only what the person has to fill in may still be missing."""
    filled = {name: value or "to be filled in" for name, value in migration.secrets.items()}
    try:
        load_config(directory / CONFIG_FILE, {**os.environ, **filled})
    except ConfigError as error:
        click.echo("\nTo correct in callgate.yaml before it can run:", err=True)
        for problem in error.problems:
            click.echo(f"  {problem}", err=True)


def _wrap_command(directory: Path, migration: Migration) -> list[str]:
    """The command with which a client starts the gateway itself. Absolute: clients have no PATH."""
    found = shutil.which("callgate")
    program = [found] if found else [sys.executable, "-m", "callgate"]
    place_of = Path(os.path.abspath(directory))
    command = [*program, "wrap", "--config", str(place_of / CONFIG_FILE)]
    return [*command, "--env-file", str(place_of / SECRETS_FILE)] if migration.secrets else command


def _say_what_is_next(
    directory: Path, config: ClientConfig, migration: Migration, changed: Path | None
) -> None:
    empty = [name for name, value in migration.secrets.items() if not value]
    steps = []
    if empty:
        steps.append(f"fill in {', '.join(empty)} in {directory / SECRETS_FILE}")
    if config.client is not Client.CLAUDE_DESKTOP:
        secrets = f" --env-file {directory / SECRETS_FILE}" if migration.secrets else ""
        steps.append(f"{_run_command(directory)}{secrets}")
    if changed is not None:
        steps.append(f"put {changed.name} in place of {config.path} (--write does that)")
    steps.append(f"restart {config.client.value}, and look at {directory / POLICY_FILE}")
    notes = list(migration.notes)
    if config.has_comments:
        notes.append(f"the comments in {config.path.name} are not in its new text.")
    if notes:
        click.echo("\nNotes:")
        for note in notes:
            click.echo(f"  - {note}")
    click.echo("\nNext:")
    for number, step in enumerate(steps, start=1):
        click.echo(f"  {number}. {step}")
