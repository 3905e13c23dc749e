"""Where `callgate audit hold` and `erase` have things done: by the gateway, or right here."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from callgate.app.clock import SystemClock
from callgate.audit.selecting import NAMES, Selector
from callgate.cli.audit.opening import cannot
from callgate.cli.instants import Instant
from callgate.cli.policy.control import ControlApi, as_option, control_option
from callgate.cli.run import load
from callgate.cli.store import DEFAULT_CONFIG, store_options, store_settings
from callgate.ports import StoreError
from callgate.storage.retention.desk import ErasingDesk
from callgate.storage.retention.running import appending
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore

T = TypeVar("T")

_OFFLINE = click.option(
    "--offline",
    is_flag=True,
    help="Write to the record from here, where no gateway runs. The author is then the user of "
    "this machine.",
)


def desk_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say where it is done, and by whom."""
    for option in (store_options, as_option, control_option, _OFFLINE):
        command = option(command)
    return command


def selector_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that say what is meant."""
    everything = click.option("--everything", is_flag=True, help="The whole record.")
    command = everything(command)
    for name in ("until", "since"):
        words = "From then on" if name == "since" else "Before then"
        command = click.option(
            f"--{name}", type=Instant(), help=f"{words}: `30d` ago, or `2026-10-01`."
        )(command)
    for name in reversed(NAMES):
        command = click.option(f"--{name}", help=f"Only this {name}; `*` stands for anything.")(
            command
        )
    return command


def selector_from(chosen: dict[str, Any]) -> Selector:
    """What the options mean. Nothing is meant as a whole because an option was left out."""
    said = {name: chosen[name] for name in (*NAMES, "since", "until")}
    if any(value == "" for value in said.values()):
        raise click.UsageError("an empty text names nothing")
    selector = Selector(**said)
    if selector.is_all is not chosen["everything"]:
        raise click.UsageError("say what is meant: --principal, --run, --call …, or --everything")
    return selector


def covers_of(selector: Selector) -> Any:
    """As the control API takes it."""
    return "everything" if selector.is_all else selector.told()


def gateway_of(chosen: dict[str, Any]) -> ControlApi | None:
    """The running gateway; None where it is to be done here."""
    if chosen["offline"]:
        return None
    if chosen["store"] is not None:
        raise click.UsageError("--store is for --offline: a running gateway knows its record")
    config: Path = chosen["config"] or DEFAULT_CONFIG
    return ControlApi(load(config, None), chosen["url"], chosen["operator"])


def here(chosen: dict[str, Any], work: Callable[[ErasingDesk, str], T]) -> T:
    """Does it as a writer of the record, with a log of its own."""
    settings = store_settings(chosen["config"], chosen["store"])
    try:
        return asyncio.run(_here(settings, work))
    except StoreError as error:
        cannot(error)


async def _here(settings: StoreSettings, work: Callable[[ErasingDesk, str], T]) -> T:
    clock = SystemClock()
    if settings.url is None and not settings.path.is_file():
        raise StoreError(f"there is no record at {settings.path}")
    store = RecordStore(settings, clock)
    await store.open()
    try:
        append = appending(store.append, asyncio.get_running_loop())
        desk = ErasingDesk(settings, clock, append)
        return await asyncio.to_thread(work, desk, f"{getpass.getuser()} (offline)")
    finally:
        await store.close()
