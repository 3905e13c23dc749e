"""`callgate policy draft`: from plain words to policies and cases, for a person to judge."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import click

from callgate.authoring.analysing import Limits
from callgate.authoring.drafting import Drafter, DraftError, Proposal
from callgate.authoring.grounding import Ground
from callgate.authoring.hidden import one_line
from callgate.authoring.model_client import ModelClient, ModelError
from callgate.authoring.settings import DraftingSettings
from callgate.authoring.weighing import weigh
from callgate.authoring.writing import cases_text, policies_text, told
from callgate.cli.policy.grounds import (
    STAND_IN,
    CannotSay,
    Chosen,
    Grounds,
    counted,
    grounded,
    grounds_options,
    shown_path,
)
from callgate.config import Config
from callgate.config.placing import place
from callgate.policy.source import ACTIVE, SHADOW
from callgate.sources.files import find, places

SOLVER_SECONDS = 10.0  # for one question: a person waits for one policy, not for hundreds
NO_ENDPOINT = """\
no language model is configured; say in callgate.yaml which one drafts policies:

policies:
  drafting:
    url: https://api.openai.com/v1      # any OpenAI-compatible API: vLLM, Ollama, LiteLLM, …
    model: gpt-5
    api_key: ${env:OPENAI_API_KEY}      # where it needs one"""


@click.command()
@grounds_options
@click.argument("text")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The draft file to write; cases go beside it. It must not be there, nor where the gateway "
    "would find it.  [default: only show]",
)
@click.option("--active", is_flag=True, help='Without @mode("shadow"): once installed, it decides.')
@click.option(
    "--install",
    is_flag=True,
    help="Offer to copy the draft to where the gateway reads policies. A person must say yes, at a "
    "terminal.",
)
def draft(chosen: Chosen, text: str, output: Path | None, active: bool, install: bool) -> None:
    """Draft policies for TEXT, a requirement in plain words; `-` reads it from standard input.

    Uses the language model of `policies.drafting`. Each rule in the text becomes one policy, which
    is type-checked against the tools and tried on cases; nothing is in force until a person
    installs it.

    Exit codes: 0 a policy for every rule; 1 not for every rule; 2 nothing could be drafted.
    """
    _check_options(text, output, install)
    grounds = grounded(chosen)
    settings = _model_of(grounds)
    words = sys.stdin.read() if text == "-" else text
    if output is not None:
        _require_place(output, grounds.config)
    proposals = _drafted(grounds, settings, words, ACTIVE if active else SHADOW)
    _show(proposals)
    usable = [proposal for proposal in proposals if proposal.is_usable]
    if output is not None and usable:
        _write(output, usable, settings.model)
        if install:
            _install(output, grounds, usable)
    if len(usable) < len(proposals):
        sys.exit(1)


def _check_options(text: str, output: Path | None, install: bool) -> None:
    if not install:
        return
    if output is None:
        raise click.UsageError("--install needs --output: the draft that is to be installed")
    if text == "-" or not sys.stdin.isatty():
        raise CannotSay(
            "--install needs a person at a terminal; without one, leave it out, read the draft, "
            "and copy it to the policies yourself"
        )


def _model_of(grounds: Grounds) -> DraftingSettings:
    config = grounds.config
    settings = config.policies.drafting if config is not None else None
    if settings is None:
        raise CannotSay(NO_ENDPOINT)
    key = settings.api_key
    if key is not None and key.get_secret_value() == STAND_IN:
        raise CannotSay("the variable that `policies.drafting.api_key` names is not set; set it")
    return settings


def _drafted(
    grounds: Grounds, settings: DraftingSettings, words: str, mode: str
) -> tuple[Proposal, ...]:
    for name, why in grounds.snapshot.silent.items():
        click.echo(f"target {name}: its tools are not known ({why})", err=True)
    if not grounds.snapshot.tools:
        raise CannotSay("there are no tools to write policies for; is a target running?")
    ground = Ground(
        names=grounds.names,
        tools=grounds.snapshot.tools,
        policies=grounds.policies,
        enrichments=grounds.enrichments,
        targets=grounds.listed,
        groups=tuple(sorted({g for one in grounds.principals.values() for g in one.groups})),
    )

    async def drafting() -> tuple[Proposal, ...]:
        async with ModelClient(settings) as model:
            drafter = Drafter(
                ground=ground,
                ask=model.ask,
                fits=grounds.fits,
                weigh=partial(weigh, ground, limits=Limits(query_seconds=SOLVER_SECONDS)),
                max_attempts=settings.max_attempts,
                mode=mode,
                tell=_progress,
            )
            return await drafter.draft(words)

    try:
        return asyncio.run(drafting())
    except (DraftError, ModelError) as error:
        raise CannotSay(one_line(str(error), 1000)) from None


def _progress(line: str) -> None:
    click.echo(one_line(line, 200), err=True)


def _show(proposals: Sequence[Proposal]) -> None:
    for proposal in proposals:
        click.echo()
        for line in told(proposal):
            click.echo(line)
    usable = sum(proposal.is_usable for proposal in proposals)
    doubts = sum(proposal.doubtful for proposal in proposals)
    said = counted(doubts, "contradiction or doubt", "contradictions and doubts")
    click.echo()
    click.echo(
        f"{counted(usable, 'policy', 'policies')} for {counted(len(proposals), 'requirement')}"
        + (f"; {said}: read those first" if doubts else "")
    )


def _require_place(output: Path, config: Config | None) -> None:
    """Raises CannotSay unless a new file can be there that the gateway would not read."""
    if output.suffix != ".cedar":
        raise CannotSay(f"{output}: a draft is called something.cedar")
    for path in (output, _cases_path(output)):
        if path.exists():
            raise CannotSay(f"{path} is there already; remove it or choose another name")
    if _would_be_read(output, config):
        raise CannotSay(
            f"the gateway would read {output} at once, before anybody has; write the draft "
            "somewhere else, and use --install"
        )


def _would_be_read(path: Path, config: Config | None) -> bool:
    """Whether the patterns of the configuration find a file there: tried with an empty one."""
    if config is None:
        return False
    made = [one for one in reversed((path.parent, *path.parent.parents)) if not one.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x"):
            pass
        return any(os.path.samefile(path, one) for one in find(_patterns(config), config.directory))
    finally:
        path.unlink(missing_ok=True)
        for one in reversed(made):
            with suppress(OSError):
                one.rmdir()


def _patterns(config: Config) -> tuple[str, ...]:
    return config.policies.files


def _cases_path(output: Path) -> Path:
    return output.with_suffix(".cases.yaml")


def _write(output: Path, usable: Sequence[Proposal], model: str) -> None:
    place(output, policies_text(usable, model))
    click.echo(f"wrote {output}: {counted(len(usable), 'policy', 'policies')}, not in force")
    cases = cases_text(usable, model)
    if cases is not None:
        place(_cases_path(output), cases)
        click.echo(f"wrote {_cases_path(output)}")


def _install(output: Path, grounds: Grounds, usable: Sequence[Proposal]) -> None:
    target = _target(output, grounds)
    modes = {one.checked.policy.mode for one in usable if one.checked.policy is not None}
    how = "shadow mode: they decide nothing" if modes == {SHADOW} else "ACTIVE: they decide"
    question = f"Install {counted(len(usable), 'policy', 'policies')} as {target} ({how})?"
    if not click.confirm(question, default=False):
        click.echo("not installed")
        return
    place(target, output.read_text("utf-8"))
    click.echo(f"installed {target}; a running gateway reads it within seconds")


def _target(output: Path, grounds: Grounds) -> Path:
    """Where the gateway would read a file of this name. Raises CannotSay."""
    config = grounds.config
    if config is not None:
        for directory in sorted(places(_patterns(config), config.directory)):
            target = directory / output.name
            if not target.exists() and _would_be_read(target, config):
                return Path(shown_path(target))
    raise CannotSay(
        f"no pattern of `policies.files` finds a new file called {output.name}; copy the draft to "
        "where your policies are kept"
    )
