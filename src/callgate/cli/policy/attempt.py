"""`callgate policy try`: one request from the command line, decided and explained."""

from __future__ import annotations

import sys
from typing import Any

import click
import msgspec

from callgate.cli.instants import At
from callgate.cli.policy.asking import (
    Pairs,
    Who,
    arguments_of,
    facts_of,
    now,
    principal_of,
    principal_options,
    tool_of,
)
from callgate.cli.policy.grounds import Chosen, Grounds, grounded, grounds_options
from callgate.cli.policy.telling import told
from callgate.model import Json, Value
from callgate.policy.cases import Ruled, Ruling, rule
from callgate.policy.context import instant
from callgate.policy.engine import Question
from callgate.protocol.harmless import as_json as shown_json

REFUSED = 1
_WORDS = {
    Ruling.PERMIT: "permitted",
    Ruling.REFUSE: "refused",
    Ruling.ERROR: "refused: a policy failed",
    Ruling.INVALID: "refused: the arguments do not fit the tool",
}


class _Written(Value):
    """The request as the options say it."""

    principal: str | None
    tool: str
    single: tuple[tuple[str, str], ...]
    whole: str | None
    facts: tuple[tuple[str, str], ...]
    at: float | None


@click.command("try")
@grounds_options
@click.option("--principal", metavar="ID", help="The id of who calls.")
@principal_options
@click.option("--tool", required=True, help="`<target>___<tool>` or `<target>___<method>`.")
@click.option("--arg", "single", type=Pairs(), multiple=True, help="One argument: JSON, or a text.")
@click.option("--args", "whole", metavar="JSON|@FILE", help="All arguments, as a JSON object.")
@click.option("--fact", "facts", type=Pairs(), multiple=True, help="`<interceptor>.<fact>=value`.")
@click.option("--at", type=At(), help="When, as RFC 3339.  [default: now]")
@click.option("--json", "as_json", is_flag=True, help="The verdict and its account as JSON.")
def attempt(chosen: Chosen, who: Who, as_json: bool, **options: Any) -> None:
    """Decide one request, and say why. Nothing is called; interceptors do not run.

    Exit codes: 0 permitted, 1 refused, 2 it could not be decided.
    """
    written = _Written(**options)
    grounds = grounded(chosen)
    question = _question(grounds, who, written)
    ruled = rule(grounds.engine, question, grounds.fits)
    if as_json:
        click.echo(shown_json(_as_json(question, ruled)))
    else:
        _say(grounds, ruled)
    sys.exit(0 if ruled.ruling is Ruling.PERMIT else REFUSED)


def _question(grounds: Grounds, who: Who, written: _Written) -> Question:
    principal = principal_of(who, written.principal, grounds)
    tool = tool_of(written.tool, grounds)
    return Question(
        principal=principal,
        tool=tool,
        arguments=arguments_of(tool, written.whole, written.single),
        enriched=facts_of(written.facts, grounds.enrichments),
        now=written.at if written.at is not None else now(),
    )


def _say(grounds: Grounds, ruled: Ruled) -> None:
    word = _WORDS[ruled.ruling]
    click.echo(ruled.reason if ruled.reason.startswith(word) else f"{word}: {ruled.reason}")
    if ruled.advice is not None:
        click.echo(f"the agent is told: {ruled.advice}")
    if ruled.account is not None:
        for line in told(ruled.account, grounds.shown):
            click.echo(f"  {line}")


def _as_json(question: Question, ruled: Ruled) -> dict[str, Json]:
    return {
        "ruling": ruled.ruling,
        "reason": ruled.reason,
        "advice": ruled.advice,
        "policies": list(ruled.policies),
        "principal": question.principal.id,
        "tool": question.tool.qualified_name,
        "arguments": question.arguments,
        "facts": msgspec.to_builtins(question.enriched),
        "at": instant(question.now),
        "account": msgspec.to_builtins(ruled.account),
    }
