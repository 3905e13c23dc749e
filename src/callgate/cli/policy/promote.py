"""`callgate policy promote`: a shadow policy becomes an active one, where it is written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from callgate.app.gathering import PolicySet
from callgate.app.parts import PartError, build_sources
from callgate.cli.policy.control import ControlApi, as_option, control_option
from callgate.cli.run import config_option, env_file_option, load
from callgate.config import Config
from callgate.policy.promotion import promoted
from callgate.policy.source import SHADOW, Policy, PolicyError
from callgate.policy.text import statements
from callgate.ports import StoreError
from callgate.sources.parsing import Parser
from callgate.sources.sourced import FILE, STORE, Sourced, SourceError


@click.command()
@click.argument("identifier", metavar="ID")
@click.option("--message", default="", help="Why, for the version in the store.")
@control_option
@as_option
@config_option
@env_file_option
def promote(
    identifier: str,
    message: str,
    url: str | None,
    operator: str | None,
    config: Path,
    env_file: Path | None,
) -> None:
    """Turn the shadow policy ID into an active one.

    A policy in a file loses its `@mode("shadow")` there, and nothing else in the file changes; a
    running gateway notices. One in the store is changed through the running gateway.
    """
    loaded = load(config, env_file)
    found = _gathered(loaded)
    policy = next((one for one in found.policies if one.id == identifier), None)
    if policy is None:
        raise click.ClickException(f"no policy has the id {identifier}")
    if policy.mode != SHADOW:
        raise click.ClickException(f"{policy.id} ({policy.place}) is active already")
    origin = next(one for one in found.texts if _is_from(policy, one))
    if origin.kind == STORE:
        body = {"id": identifier, "message": message}
        told = ControlApi(loaded, url, operator).ask("POST", "/api/v1/policies/promote", body)
        click.echo(f"{identifier} is active: version {told['version']['number']}")
        return
    if origin.kind != FILE:
        raise click.ClickException(
            f"{identifier} comes from git ({origin.place}): "
            'take its @mode("shadow") out in the repository'
        )
    promote_in(Path(origin.place), policy)
    click.echo(f"{identifier} is active: {origin.place}:{policy.line}")


def _gathered(config: Config) -> PolicySet:
    parser = Parser()
    try:
        return build_sources(config, parser).first()
    except (PartError, PolicyError, SourceError, StoreError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        parser.close()


def _is_from(policy: Policy, text: Sourced) -> bool:
    return text.name == policy.source and policy.text in text.text


def promote_in(file: Path, policy: Policy) -> None:
    """Rewrites one policy of a file, all at once or not at all. Raises ClickException."""
    try:
        text = file.read_bytes().decode()
        start = 1 if text.startswith("\ufeff") else 0
        for statement in statements(text[start:]):
            if (statement.text, statement.line) == (policy.text, policy.line):
                offset = start + statement.offset
                end = offset + len(statement.text)
                _replace(file, text[:offset] + promoted(statement.text) + text[end:])
                return
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror or error}") from None
    raise click.ClickException(f"{file} has changed meanwhile; try again")


def _replace(file: Path, text: str) -> None:
    file = file.resolve()  # a link stays a link
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    fresh = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(text.encode())
            out.flush()
            os.fsync(out.fileno())
        fresh.chmod(file.stat().st_mode & 0o7777)
        fresh.replace(file)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
