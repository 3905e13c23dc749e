"""Where the record is that a command asks: from the options, the configuration, or right here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from msgspec.structs import replace
from pydantic import ValidationError

from callgate.config.loading import anchored
from callgate.config.problems import ConfigError, Problem
from callgate.config.references import resolve
from callgate.config.source import Node, read_yaml
from callgate.config.validation import problems_of
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records
from callgate.storage.settings import StoreSettings

DEFAULT_CONFIG = Path("callgate.yaml")
SCHEMES = ("postgresql://", "postgres://")
PLACES = ("path", "url")  # the settings without which the record is not found

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


class StorePlace(click.ParamType[str]):
    """A SQLite file, or the URL of a PostgreSQL database."""

    name = "file or URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The path of a file that is there, or the URL as it is."""
        if str(value).startswith(SCHEMES):
            return str(value)
        return str(_FILE.convert(value, param, ctx))


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --config and --store, which say where the record is."""
    command = click.option(
        "--store",
        type=StorePlace(),
        help="The record itself, instead of the one in the configuration: a SQLite file, or "
        "postgresql://user@host/database.",
    )(command)
    return click.option(
        "--config",
        type=_FILE,
        help="The configuration that names it.  [default: callgate.yaml]",
    )(command)


def open_records(config: Path | None, store: str | None) -> Records:
    """The record, to ask questions of. Raises click.ClickException."""
    settings = store_settings(config, store)
    return Records(settings, reader_of(settings))


def store_settings(config: Path | None, store: str | None) -> StoreSettings:
    """The `store:` block. Asks no more of the configuration than that: the rest may be broken.

    `store` says the place instead; all other settings are still those of the configuration, if
    there is one. Raises click.ClickException.
    """
    file = config or DEFAULT_CONFIG
    try:
        is_alone = config is None and not file.exists()
        found = StoreSettings() if is_alone else _block(file)
        if store is None:
            if is_alone and not found.path.exists():
                raise click.UsageError(
                    f"there is no record here, neither {file} nor {found.path}: "
                    "name one with --config or --store"
                )
            return found
        place = {"url": store} if store.startswith(SCHEMES) else {"path": Path(store)}
        others = {name: value for name, value in found if name not in PLACES}
        return StoreSettings.model_validate({**others, **place})
    except (ConfigError, ValidationError) as error:
        raise click.ClickException(f"{file} does not say where the record is: {error}") from error


def _block(file: Path) -> StoreSettings:
    """What is written under `store:`. Raises ConfigError."""
    try:
        written = read_yaml(file.read_text("utf-8-sig"), file.name).child("store")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Problem.at(file.name, (1, 1), (), f"cannot be read: {error}")]) from None
    if written is None or not isinstance(written.value, dict):
        return anchored(StoreSettings(), file.parent)
    # A secret that is not at hand here, such as the key that signs, is not needed to read.
    wanted = {
        name: node
        for name, node in written.value.items()
        if name in StoreSettings.model_fields and not (name in PLACES and node.value is None)
    }
    block = Node(value=wanted, line=written.line, column=written.column, keys=written.keys)
    resolved = resolve(block, file.name, file.parent, os.environ)
    if vital := [one for one in resolved.problems if one.path in PLACES]:
        raise ConfigError(vital)
    missing = {path[0] for path in resolved.failed}
    plain = {name: value for name, value in resolved.root.plain().items() if name not in missing}
    try:
        return anchored(StoreSettings.model_validate(plain), file.parent)
    except ValidationError as error:
        found = problems_of(error, StoreSettings, resolved, file.name)
        raise ConfigError(
            [replace(one, path=f"store.{one.path}".rstrip(".")) for one in found]
        ) from None
