"""`callgate config`: checks and shows callgate.yaml, and prints its JSON Schema."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from callgate.cli.run import env_file_option
from callgate.config import Config, ConfigError, load_config
from callgate.config.env_file import EnvFileError, read_env_file
from callgate.config.schema import schema_text
from callgate.config.starter import yaml_text
from callgate.config.tree import TARGET_KEYS
from callgate.model import SEPARATOR
from callgate.policy.names import Names
from callgate.policy.source import Policy, PolicyError, read_policies

config_file_argument = click.argument(
    "file", type=click.Path(path_type=Path), default=Path("callgate.yaml")
)


def loaded(file: Path, env_file: Path | None) -> Config:
    """The configuration, or the end of the command with all its problems on stderr."""
    try:
        further = read_env_file(env_file) if env_file is not None else {}
        return load_config(file, {**further, **os.environ})
    except EnvFileError as error:
        raise click.ClickException(str(error)) from None
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        click.echo(f"{count} problem{'s' if count != 1 else ''}", err=True)
        sys.exit(1)


@click.group("config")
def config_commands() -> None:
    """Check and show callgate.yaml."""


@config_commands.command()
@config_file_argument
@env_file_option
def check(file: Path, env_file: Path | None) -> None:
    """Say what is wrong with FILE, or what it would run. Nothing is started or contacted."""
    config = loaded(file, env_file)
    try:
        policies = read_policies(
            (path.name, path.read_text(encoding="utf-8")) for path in config.policy_files
        )
    except (PolicyError, OSError, UnicodeDecodeError) as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    click.echo(f"{config.file} is valid. It would run:\n")
    for heading, text in _summary(config, policies):
        click.echo(f"  {heading:<13}{text}")
    warnings = [*config.warnings, *_strangers(config, policies)]
    for warning in warnings:
        click.echo(f"\nwarning: {warning}")


@config_commands.command()
@config_file_argument
@env_file_option
@click.option("--json", "as_json", is_flag=True, help="As JSON instead of YAML.")
def show(file: Path, env_file: Path | None, as_json: bool) -> None:
    """Print all settings with their defaults. References are shown, not what they stand for."""
    tree = loaded(file, env_file).shown
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(tree), indent=2))
    else:
        click.echo(yaml_text(tree), nl=False)


@config_commands.command()
def schema() -> None:
    """Print the JSON Schema of callgate.yaml, for editors."""
    click.echo(schema_text(), nl=False)


def _summary(config: Config, policies: tuple[Policy, ...]) -> Iterator[tuple[str, str]]:
    gateway, listeners, identity = config.gateway, config.listeners, config.identity
    agents, control = listeners.agents, listeners.control
    scheme = "https" if agents.tls_certificate else "http"
    yield "gateway", f'{gateway.namespace}::Gateway::"{gateway.name}"'
    yield "agents", f"{scheme}://{agents.host}:{agents.port}/mcp"
    yield "control", f"http://{control.host}:{control.port}"
    proofs = [f"tokens of {issuer.issuer}" for issuer in identity.jwt]
    if identity.api_keys:
        proofs.append(f"API keys ({', '.join(key.name for key in identity.api_keys)})")
    if identity.anonymous is not None:
        proofs.append("anonymous callers on this machine")
    yield "identity", "; ".join(proofs) or "none"
    for number, name in enumerate(config.targets):
        yield "targets" if number == 0 else "", f"{name}: {_where(config.shown['targets'][name])}"
    files = len(config.policy_files)
    yield "policies", f"{len(policies)} in {files} file{'s' if files != 1 else ''}"
    names = [f"{one.name} ({' and '.join(sorted(one.on))})" for one in config.interceptors]
    yield "interceptors", ", ".join(names) or "none"
    yield "record", config.store.place


def _where(shown: dict[str, Any]) -> str:
    """What a target is, in a few words, without anything that came from a reference."""
    kind = next(key for key in TARGET_KEYS if shown.get(key) is not None)
    what = shown[kind]
    return f"{kind} {' '.join(what) if isinstance(what, list) else what}"[:160]


def _strangers(config: Config, policies: tuple[Policy, ...]) -> Iterator[str]:
    """Policies about targets that are not there: most often a name that was mistyped."""
    known = {*config.targets, Names.ALL_TOOLS, Names.ALL_METHODS}
    for policy in policies:
        for action in policy.actions:
            if action.partition(SEPARATOR)[0] not in known:
                yield f"policy {policy.id} ({policy.source}) is about {action!r}: no such target."
