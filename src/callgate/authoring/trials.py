"""Cases that a model wrote from a requirement, tried on its policy by the real engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callgate.authoring.checking import as_active
from callgate.authoring.grounding import Ground
from callgate.authoring.replies import ProposedCase, ReplyError
from callgate.model import SEPARATOR, Principal, Tool, Value, split_name
from callgate.policy.answers import NO_PERMIT
from callgate.policy.cases import Case, Expectation, Fits, Result, Ruling, run
from callgate.policy.engine import Engine
from callgate.policy.source import Policy

ISSUER = "https://issuer.example"
SUITE = "draft"


class Trial(Value):
    """A case, how the policies in force together with the drafted one rule it, and whose doing."""

    result: Result
    is_contradiction: bool  # it came out otherwise than expected
    is_ours: bool = False  # … and that is the drafted policy's doing


def cases_of(ground: Ground, proposed: Sequence[ProposedCase], fits: Fits) -> tuple[Case, ...]:
    """The cases with their tools. Raises ReplyError where one cannot be a call."""
    tools = {tool.qualified_name: tool for tool in ground.tools}
    return tuple(_case(tools, number, one, fits) for number, one in enumerate(proposed, 1))


def _case(tools: Mapping[str, Tool], number: int, one: ProposedCase, fits: Fits) -> Case:
    tool = tools.get(one.tool)
    if tool is None:
        hint = "" if split_name(None, one.tool) else f"; names are target{SEPARATOR}tool"
        raise ReplyError(f"case {number}: no tool is called {one.tool!r}{hint}")
    misfit = fits(tool, one.arguments)
    if misfit is not None:
        raise ReplyError(f"case {number}: the arguments do not fit {one.tool}: {misfit}")
    who = one.principal
    return Case(
        name=one.name,
        suite=SUITE,
        line=number,
        principal=Principal(
            id=who.id,
            issuer=ISSUER,
            kind="jwt",
            groups=who.groups,
            claims=who.claims,
            tenant=who.tenant,
            agent=who.agent,
        ),
        tool=tool,
        arguments=one.arguments,
        facts={},
        now=one.time.timestamp() if one.time is not None else None,
        expected=Expectation(ruling=Ruling(one.expect)),
    )


def tried(ground: Ground, drafted: Policy, cases: Sequence[Case], fits: Fits) -> tuple[Trial, ...]:
    """Each case, ruled by the policies in force and the drafted one as if it decided."""
    engine = Engine([*ground.policies, as_active(drafted)], ground.names, ground.enrichments)
    return tuple(_tried(engine, drafted, case, fits) for case in cases)


def _tried(engine: Engine, drafted: Policy, case: Case, fits: Fits) -> Trial:
    result = run(engine, case, fits)
    if result.is_passed:
        return Trial(result=result, is_contradiction=False)
    return Trial(result=result, is_contradiction=True, is_ours=_is_doing_of(drafted, result))


def _is_doing_of(drafted: Policy, result: Result) -> bool:
    """Whether a call came out otherwise than expected because of the drafted policy.

    Where another policy decides, or no other permits, no change of the drafted one would help.
    """
    ruled = result.ruled
    has_decided = drafted.id in ruled.policies
    if ruled.ruling is Ruling.PERMIT:  # a forbid should have matched, or a permit should not have
        return has_decided == (drafted.effect == "permit")
    if ruled.ruling is Ruling.REFUSE:
        return has_decided if drafted.effect == "forbid" else ruled.reason == NO_PERMIT
    return drafted.id in ruled.reason
