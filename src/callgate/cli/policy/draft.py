"""`callgate policy draft`: from plain words to policies and cases, for a person to judge."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from callgate.authoring.analysing import Limits
from callgate.authoring.drafting import Drafter, DraftError, Proposal
from callgate.authoring.grounding import Ground
from callgate.authoring.hidden import one_line
from callgate.authoring.model_client import ModelClient, ModelError
from callgate.authoring.settings import DraftingSettings
from callgate.authoring.weighing import weigh
from callgate.authoring.writing import cases_text, policies_text, told
from callgate.cli.policy.drafts import Wanted, check_install, install, require_place, write
from callgate.cli.policy.grounds import (
    STAND_IN,
    CannotSay,
    Chosen,
    Grounds,
    counted,
    grounded,
    grounds_options,
)
from callgate.cli.policy.learning import Calls, calls_options, draft_from_calls
from callgate.policy.source import SHADOW

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
@click.argument("text", required=False)
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
    "is_installed",
    is_flag=True,
    help="Offer to copy the draft to where the gateway reads policies. A person must say yes, at a "
    "terminal.",
)
@click.option(
    "--from-calls",
    is_flag=True,
    help="In place of TEXT: from recorded calls, without any language model.",
)
@calls_options
def draft(
    chosen: Chosen, text: str | None, from_calls: bool, calls: Calls, **drafting: Any
) -> None:
    """Draft policies for TEXT, a requirement in plain words; `-` reads it from standard input.

    Uses the language model of `policies.drafting`. Each rule in the text becomes one policy, which
    is type-checked against the tools and tried on cases; nothing is in force until a person
    installs it.

    With --from-calls: the least that permits what was permitted and ran, argument bounds included;
    and what of the record it would refuse.

    Exit codes: 0 a policy for every rule; 1 not for every rule; 2 nothing could be drafted.
    """
    wanted = Wanted(**drafting)
    if wanted.is_installed:
        check_install(wanted.output, is_piped=text == "-")
    if from_calls:
        if text is not None:
            raise click.UsageError("--from-calls takes no TEXT")
        draft_from_calls(chosen, calls, wanted)
    elif text is None:
        raise click.UsageError("say what is to hold: TEXT, or --from-calls")
    elif calls != Calls():
        raise click.UsageError("which calls, and --generalise: only with --from-calls")
    else:
        _draft_for(chosen, text, wanted)


def _draft_for(chosen: Chosen, text: str, wanted: Wanted) -> None:
    grounds = grounded(chosen)
    settings = _model_of(grounds)
    words = sys.stdin.read() if text == "-" else text
    output = wanted.output
    if output is not None:
        require_place(output, grounds.config)
    proposals = _drafted(grounds, settings, words, wanted.mode)
    _show(proposals)
    usable = [proposal for proposal in proposals if proposal.is_usable]
    if output is not None and usable:
        what = counted(len(usable), "policy", "policies")
        policies, cases = (of(usable, settings.model) for of in (policies_text, cases_text))
        write(output, policies or "", cases, what)
        if wanted.is_installed:
            _install(output, grounds, usable)
    if len(usable) < len(proposals):
        sys.exit(1)


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


def _install(output: Path, grounds: Grounds, usable: Sequence[Proposal]) -> None:
    modes = {one.checked.policy.mode for one in usable if one.checked.policy is not None}
    how = "shadow mode: they decide nothing" if modes == {SHADOW} else "ACTIVE: they decide"
    install(
        output,
        grounds.config,
        f"Install {counted(len(usable), 'policy', 'policies')} as {{target}} ({how})?",
    )
