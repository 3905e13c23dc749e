"""`callgate demo`: agents' calls through a real gateway, to watch and then to try."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import click

from callgate.cli.run import start
from callgate.config import ConfigError
from callgate.config.env_file import EnvFileError
from callgate.telemetry.logs import configure

NEEDED = ("mcp", "mcp_server_git", "mcp_server_time")


@click.command()
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("callgate-demo"),
    show_default=True,
    help="Where its configuration, policies and record are; made where there is none.",
)
@click.option(
    "--stay/--no-stay",
    "stays_up",
    default=None,
    help="Whether the gateway stays up after the story.  [default: on a terminal]",
)
def demo(directory: Path, stays_up: bool | None) -> None:
    """Watch three agents' calls pass through a gateway, with reasons; then try it yourself.

    Makes a directory with a complete configuration: two MCP servers, a Python target, six policies,
    two interceptors, three API keys. Starts the real gateway on it and calls tools with the MCP
    SDK's client. Exit code 1 where a call did not come out as told.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"the demo needs {', '.join(missing)}: pip install 'callgate[demo]'"
        )
    # Only now: the client is an extra, and no other command should wait for its import.
    from callgate.demo.directory import DirectoryError, prepare  # noqa: PLC0415
    from callgate.demo.running import Running, configured  # noqa: PLC0415
    from callgate.demo.screen import console_for_stdout  # noqa: PLC0415

    try:
        made = prepare(directory)
        config = configured(made)
    except (DirectoryError, ConfigError, EnvFileError) as error:
        raise click.ClickException(str(error)) from None
    configure(config.telemetry)
    is_terminal = sys.stdout.isatty()
    running = Running(
        made, console_for_stdout(), stays_up=is_terminal if stays_up is None else stays_up
    )
    start(running.run(config))
    if running.problems:
        sys.exit(1)
