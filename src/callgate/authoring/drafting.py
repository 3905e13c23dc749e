"""Requirements in plain words → policies and cases, proposed by a model, checked by us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from msgspec.structs import replace

from callgate.authoring.checking import Checked, check
from callgate.authoring.grounding import Ground
from callgate.authoring.model_client import Message, ModelError
from callgate.authoring.prompting import (
    asking_again,
    asking_for_cases,
    asking_for_policy,
    asking_to_split,
)
from callgate.authoring.replies import (
    Impossible,
    ReplyError,
    Requirement,
    read_cases,
    read_policy,
    read_requirements,
)
from callgate.authoring.trials import Trial, cases_of, tried
from callgate.authoring.weighing import Weighed
from callgate.model import Value
from callgate.policy.cases import Case, Fits
from callgate.policy.source import SHADOW, Policy

MAX_TEXT_CHARACTERS = 10_000

Ask = Callable[[Sequence[Message]], Awaitable[str]]
"""A conversation → the model's next words. Raises ModelError."""
T = TypeVar("T")


class DraftError(Exception):
    """Nothing can be drafted; the message says why."""


class Proposal(Value):
    """What came of one requirement, for a person to judge."""

    requirement: Requirement
    checked: Checked
    explanation: str = ""  # the model's words
    assumptions: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()
    doubts: tuple[str, ...] = ()  # what the model was told of the policy, and left
    failure: str = ""  # why there is no policy

    @property
    def doubtful(self) -> int:
        """How much is to be said against it."""
        return sum(trial.is_contradiction for trial in self.trials) + len(self.doubts)

    @property
    def is_usable(self) -> bool:
        """Whether there is a policy that passed every check."""
        return self.checked.policy is not None


@dataclass
class Drafter:
    """Drafts for one gateway. Asks `max_attempts` times for one thing at most."""

    ground: Ground
    ask: Ask
    fits: Fits
    weigh: Callable[[Policy], Weighed]
    max_attempts: int
    mode: str = SHADOW
    tell: Callable[[str], None] = lambda _: None
    _taken: set[str] = field(default_factory=set)

    async def draft(self, text: str) -> tuple[Proposal, ...]:
        """A proposal for each requirement in a text. Raises DraftError, ModelError.

        A model that fails in the middle leaves what was drafted before; the rest says why.
        """
        requirements = await self._requirements(text)
        self._taken = {policy.id for policy in self.ground.policies}
        proposals: list[Proposal] = []
        failure = ""
        for number, requirement in enumerate(requirements, 1):
            self.tell(f"{number} of {len(requirements)}: {requirement.quote}")
            if failure:
                proposals.append(_failed(requirement, f"not asked for: {failure}"))
                continue
            try:
                proposals.append(await self._proposal(requirement))
            except ModelError as error:
                failure = str(error)
                proposals.append(_failed(requirement, failure))
        return tuple(proposals)

    async def _requirements(self, text: str) -> tuple[Requirement, ...]:
        if not text.strip():
            raise DraftError("there is no text; say what is to hold, in plain words")
        if len(text) > MAX_TEXT_CHARACTERS:
            raise DraftError(f"the text is longer than {MAX_TEXT_CHARACTERS} characters; split it")
        try:
            found = await self._insist(
                asking_to_split(text), lambda answer: read_requirements(answer, text)
            )
        except ReplyError as error:
            raise DraftError(f"the model found no requirements that can be used: {error}") from None
        if not found:
            raise DraftError(
                "the model found no rule about calls in the text; say who may or may not use which "
                "tool, and when"
            )
        return found

    async def _insist(self, messages: list[Message], read: Callable[[str], T]) -> T:
        """What an answer says, asked for again with its problem told. Raises ReplyError."""
        for attempt in range(1, self.max_attempts + 1):
            answer = await self.ask(messages)
            try:
                return read(answer)
            except ReplyError as error:
                if attempt == self.max_attempts:
                    raise
                messages = [*messages, *asking_again(answer, [str(error)])]
        raise AssertionError("max_attempts is at least 1")

    async def _proposal(self, requirement: Requirement) -> Proposal:
        cases, complaint = await self._cases(requirement)
        proposal = await self._policy(requirement, cases)
        if proposal.checked.policy is None:
            return proposal
        self._taken.add(proposal.checked.policy.id)
        if not complaint:
            return proposal
        notes = (*proposal.checked.notes, complaint)
        return replace(proposal, checked=replace(proposal.checked, notes=notes))

    async def _cases(self, requirement: Requirement) -> tuple[tuple[Case, ...], str]:
        """Cases, or why there are none. They are written without sight of the policy."""
        try:
            found = await self._insist(
                asking_for_cases(self.ground, requirement),
                lambda answer: cases_of(self.ground, read_cases(answer), self.fits),
            )
        except ReplyError as error:
            return (), f"the model wrote no cases that can be used: {error}"
        return found, ""

    async def _policy(self, requirement: Requirement, cases: Sequence[Case]) -> Proposal:
        """The policy that passes the checks; where it can be had, one that passes the cases."""
        messages = asking_for_policy(self.ground, requirement)
        best: Proposal | None = None
        problems: list[str] = []
        for _ in range(self.max_attempts):
            answer = await self.ask(messages)
            proposal, problems = self._judged(requirement, cases, answer)
            if proposal is None:
                messages = [*messages, *asking_again(answer, problems)]
                continue
            is_again = best is not None
            best = _better(best, proposal)
            if is_again or not problems:
                return best
            messages = [*messages, *asking_again(answer, problems, name="doubt")]
        if best is not None:
            return best
        return _failed(
            requirement,
            f"no usable policy after {self.max_attempts} attempts: {'; '.join(problems)}",
            Checked(problems=tuple(problems)),
        )

    def _judged(
        self, requirement: Requirement, cases: Sequence[Case], answer: str
    ) -> tuple[Proposal | None, list[str]]:
        """What an answer is worth, and what the model is to be told about it."""
        try:
            reply = read_policy(answer)
        except ReplyError as error:
            return None, [str(error)]
        if isinstance(reply, Impossible):
            return _failed(requirement, f"the model says it cannot: {reply.impossible}"), []
        checked = check(self.ground, reply, self._taken, self.mode)
        if checked.policy is None:
            return None, list(checked.problems)
        weighed = self.weigh(checked.policy)
        if weighed.problems:
            return None, list(weighed.problems)
        trials = tried(self.ground, checked.policy, cases, self.fits)
        proposal = Proposal(
            requirement=requirement,
            checked=replace(checked, notes=(*checked.notes, *weighed.notes)),
            explanation=reply.explanation,
            assumptions=reply.assumptions,
            trials=trials,
            doubts=weighed.doubts,
        )
        contradictions = [_contradiction(trial) for trial in trials if trial.is_ours]
        return proposal, [*weighed.doubts, *contradictions]


def _better(first: Proposal | None, second: Proposal) -> Proposal:
    """Of two valid answers, the one with less to be said against it; a policy before none."""
    if first is None:
        return second
    if first.is_usable != second.is_usable:
        return first if first.is_usable else second
    return first if first.doubtful < second.doubtful else second


def _failed(requirement: Requirement, failure: str, checked: Checked | None = None) -> Proposal:
    return Proposal(requirement=requirement, checked=checked or Checked(), failure=failure)


def _contradiction(trial: Trial) -> str:
    case = trial.result.case
    return f"{case.name} ({case.tool.qualified_name}): {'; '.join(trial.result.problems)}"
