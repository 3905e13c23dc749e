"""`callgate run`: the gateway in front of the targets of one callgate.yaml."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from callgate.app.parts import PartError
from callgate.app.process import forever, serve
from callgate.config import Config, ConfigError, load_config
from callgate.config.env_file import EnvFileError, read_env_file
from callgate.ports import StoreError
from callgate.serving.listener import ListenError
from callgate.telemetry.exporting import MissingExtraError
from callgate.telemetry.logs import configure

DEFAULT_CONFIG = Path("callgate.yaml")

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file.",
)
env_file_option = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="NAME=value lines for ${env:NAME} references. Variables that are set already win.",
)


@click.command()
@config_option
@env_file_option
def run(config: Path, env_file: Path | None) -> None:
    """Run the gateway until it is stopped."""
    loaded = load(config, env_file)
    configure(loaded.telemetry)
    start(serve(loaded, ready=forever))


def load(config: Path, env_file: Path | None) -> Config:
    """The configuration, or a message and exit code 1."""
    try:
        if env_file is not None:
            for name, value in read_env_file(env_file).items():
                os.environ.setdefault(name, value)
        return load_config(config)
    except (ConfigError, EnvFileError) as error:
        raise click.ClickException(str(error)) from None


def start(main: Coroutine[Any, Any, None]) -> None:
    """Runs the event loop; what keeps the gateway from starting is said in one line."""
    try:
        if sys.platform == "win32":
            asyncio.run(main)
        else:
            import uvloop  # noqa: PLC0415 - there is none for Windows

            uvloop.run(main)
    except (PartError, StoreError, ListenError, MissingExtraError) as error:
        raise click.ClickException(str(error)) from None
