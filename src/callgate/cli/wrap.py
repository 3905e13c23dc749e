"""`callgate wrap`: the same gateway over stdio, for hosts that start servers as a subprocess."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import select
import stat
import sys
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TextIO

import click
import yaml

from callgate.app.application import Application
from callgate.app.beside import Beside
from callgate.app.signals import until_signalled
from callgate.cli.run import env_file_option, load, start
from callgate.config import Config
from callgate.downstream.stdio import StdioEndpoint
from callgate.model import Proof
from callgate.pipeline.threads import Job, Threads
from callgate.telemetry.logs import configure

READ_BYTES = 1 << 16
_log = logging.getLogger("callgate")
POLICY = """\
// What the host may call through `callgate wrap`. Change this file to narrow it: it is read again
// when it changes. Every call is recorded, whatever stands here.

@id("wrap-permits-all")
permit (principal, action, resource);
"""


@click.command(context_settings={"ignore_unknown_options": True})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Serve all targets of this callgate.yaml instead of one COMMAND.",
)
@click.option(
    "--policies",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Cedar files that decide.  [default: a file of its own that permits and can be changed]",
)
@click.option("--name", help="Name of the target.  [default: from COMMAND]")
@env_file_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def wrap(
    config: Path | None,
    policies: tuple[Path, ...],
    name: str | None,
    env_file: Path | None,
    command: tuple[str, ...],
) -> None:
    """Run COMMAND, a stdio MCP server, behind the gateway, and serve it over stdio.

    Put `callgate wrap --` before the command in a client's configuration. Its configuration and
    record are kept in a directory of their own that is named at the start.
    """
    if (config is None) == (not command):
        raise click.UsageError("give a COMMAND after `--`, or --config FILE")
    if config is not None and (policies or name):
        raise click.UsageError("--policies and --name belong to a COMMAND")
    file = config or _own_config(command, policies, name)
    loaded = load(file, env_file)
    configure(loaded.telemetry)
    if config is None:
        click.echo(f"callgate: configuration and record are in {file.parent}", err=True)
    start(_serve(loaded))


def _own_config(command: tuple[str, ...], policies: tuple[Path, ...], name: str | None) -> Path:
    """The configuration for one wrapped command; made once, then the user's to change."""
    base = name or re.sub(
        r"[^A-Za-z0-9.-]+", "-", Path(command[-1 if _is_runner(command) else 0]).name
    )
    base = base.strip("-.") or "server"
    said = "\0".join((os.getcwd(), *command, *map(str, policies)))
    directory = _state_directory() / f"{base}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    file = directory / "callgate.yaml"
    if file.exists():
        return file
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not policies:
        (directory / "wrap.cedar").write_text(POLICY, "utf-8")
    content = {
        "identity": {"anonymous": True},
        "targets": {base: {"command": list(command), "cwd": os.getcwd(), "inherit_env": True}},
        "policies": {"files": [str(path.resolve()) for path in policies] or ["wrap.cedar"]},
    }
    file.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return file


def _is_runner(command: tuple[str, ...]) -> bool:
    return Path(command[0]).name in ("npx", "uvx", "node", "python", "python3", "uv", "bunx")


def _state_directory() -> Path:
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "callgate" / "wrap"


async def _serve(config: Config) -> None:
    application = Application(config, is_lazy=True)
    beside = Beside(application)
    await application.start()
    try:
        async with beside.running():
            await _until_either(_talk(application), until_signalled())
            await application.stop()
    except BaseException:
        await application.stop()
        raise


async def _talk(application: Application) -> None:
    """Serves the host on stdin and stdout until it closes stdin."""
    read = await reading(sys.stdin)
    # One thread, so that lines stay whole; a daemon, since a host that does not read must neither
    # stop the loop nor keep the process alive.
    threads = Threads(1, "callgate-stdout")

    async def write(message: bytes) -> None:
        await threads.run(Job(lambda: _write_line(message)))

    targets = list(application.config.targets)
    endpoint = StdioEndpoint(
        dispatcher=application.dispatcher,
        proof=_proof(),
        route=targets[0] if len(targets) == 1 else None,
        write=write,
    )
    try:
        await endpoint.serve(read)
    except* OSError as gone:
        _log.info("the host is gone: %s", gone.exceptions[0])


async def reading(stream: TextIO) -> Callable[[], Awaitable[bytes]]:
    """Reads the bytes of a stream as they come, nothing at its end.

    A file and `/dev/null` never make anybody wait: the loop cannot watch them, and uvloop ends the
    process where it is asked to.
    """
    mode = os.fstat(stream.fileno()).st_mode
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stream.isatty()):
        return lambda: asyncio.to_thread(os.read, stream.fileno(), READ_BYTES)
    reader = asyncio.StreamReader(limit=READ_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), stream)
    return lambda: reader.read(READ_BYTES)


async def _until_either(*work: Coroutine[Any, Any, None]) -> None:
    """Until the first is done; the others are ended."""
    tasks = [asyncio.ensure_future(one) for one in work]
    done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()
    if waiting:
        await asyncio.wait(waiting)
    for task in done:
        task.result()


def _write_line(message: bytes) -> None:
    # Not through a buffer, whose lock a write that never ends would hold when the process ends.
    stdout, rest = sys.stdout.fileno(), memoryview(message + b"\n")
    while rest:
        try:
            rest = rest[os.write(stdout, rest) :]
        except BlockingIOError:  # stdin is read without waiting, and it is the same terminal
            select.select((), (stdout,), ())


def _proof() -> Proof:
    """Over stdio the environment says who calls (MCP authorization: credentials from it)."""
    token = os.environ.get("CALLGATE_TOKEN")
    return Proof(
        authorization=f"Bearer {token}" if token else None,
        api_key=os.environ.get("CALLGATE_API_KEY"),
        is_loopback=True,
    )
