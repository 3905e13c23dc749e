"""`callgate policy check`: are the policies valid, and do they fit the tools?"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from callgate.app.application import Application
from callgate.app.parts import PartError, build_chain, build_engine
from callgate.cli.run import config_option, env_file_option, load, start
from callgate.config import Config
from callgate.policy.validation import Finding
from callgate.protocol.methods import widest_offer

LIST_SECONDS = 20.0


@click.command()
@config_option
@env_file_option
@click.option("--offline", is_flag=True, help="Only parse: do not ask the targets for their tools.")
def check(config: Path, env_file: Path | None, offline: bool) -> None:
    """Check the policy files: do they parse, and do they fit the tools of the targets?

    Exit code 1 where a policy cannot be used or could never match.
    """
    loaded = load(config, env_file)
    try:
        engine = build_engine(loaded, build_chain(loaded).enrichments)
    except PartError as error:
        raise click.ClickException(str(error)) from None
    permits = sum(policy.effect == "permit" for policy in engine.policies)
    forbids = len(engine.policies) - permits
    click.echo(
        f"{_counted(len(engine.policies), 'policy', 'policies')} in "
        f"{_counted(len(loaded.policy_files), 'file', 'files')}: "
        f"{permits} permit, {forbids} forbid (version {engine.version})"
    )
    if not permits:
        click.echo("no policy permits anything: every call will be refused")
    if not offline:
        start(_against_tools(loaded))


def _counted(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


async def _against_tools(config: Config) -> None:
    application = Application(config)
    await application.start_targets()
    try:
        async with asyncio.timeout(LIST_SECONDS):
            await _listed(application)
        silent = _say_targets(application)
        found = await application.policy_findings(application.gateway, config.targets)
    except TimeoutError:
        raise click.ClickException("the targets did not answer; try --offline") from None
    finally:
        await application.stop_targets()
    _say(found, silent)


async def _listed(application: Application) -> None:
    """Lists the tools of every target, also those for clients of which it may ask something."""
    catalog, may_ask = application.catalog, application.gateway.may_ask
    offers = {name: widest_offer(may_ask.get(name, ())) for name in catalog.targets()}
    await catalog.ensure()
    await asyncio.gather(*(catalog.ensure(name, offer) for name, offer in offers.items()))


def _say_targets(application: Application) -> set[str]:
    """One line per target; the names of those that could not be asked."""
    silent = set()
    for name in application.config.targets:
        tools = application.catalog.every_tool(name)
        status = application.catalog.connector(name).status
        if not tools and not status.is_ready:
            silent.add(name)
            click.echo(f"target {name}: cannot be asked now ({status.detail})")
        else:
            click.echo(f"target {name}: {_counted(len(tools), 'tool', 'tools')}")
    return silent


def _say(found: list[Finding], silent: set[str]) -> None:
    if silent and not found:
        click.echo("no findings; policies on the tools of silent targets were not checked")
    elif not found:
        click.echo("no findings")
    for finding in found:
        click.echo(f"{finding.source}: {finding.policy}: {finding.message}")
    if found:
        sys.exit(1)
