"""A policy that a model wrote: read, made ours, type-checked, and asked for what it means."""

from __future__ import annotations

from collections.abc import Collection

import cedarpy

from callgate.authoring.grounding import Ground, groups_in, tags_in
from callgate.authoring.hidden import hidden_in, texts_in
from callgate.authoring.replies import Proposed
from callgate.model import Json, Value
from callgate.policy.identifiers import fresh_id
from callgate.policy.source import ACTIVE, SHADOW, Policy, PolicyError, read_policies
from callgate.policy.text import tokens
from callgate.policy.validation import findings

SOURCE = "the policy"


class Checked(Value):
    """What the checks made of a proposed policy."""

    policy: Policy | None = None  # None: it cannot be used
    problems: tuple[str, ...] = ()  # for the model to mend
    notes: tuple[str, ...] = ()  # for the person to read


def check(
    ground: Ground, proposed: Proposed, taken: Collection[str], mode: str = SHADOW
) -> Checked:
    """One policy with our own id and annotations, or the problems that keep it from being used.

    Nothing of the model's text goes on but what Cedar's parser understood: comments and annotations
    are gone, and the id has letters, digits and `-` only.
    """
    try:
        found = read_policies([(SOURCE, proposed.policy)])
        if len(found) != 1:
            return Checked(problems=(f"there are {len(found)} policies; write exactly one",))
        policy = _ours(found[0], fresh_id(proposed.id, taken), mode)
    except PolicyError as error:
        return Checked(problems=(str(error),))
    hidden = sorted({one for text in texts_in(_said(policy)) for one in hidden_in(text)})
    if hidden:
        problem = f"the policy has invisible characters ({', '.join(hidden[:5])}); take them out"
        return Checked(problems=(problem,))
    found_wrong = findings(ground.names, [policy], ground.tools, ground.enrichments, ground.targets)
    problems = tuple(finding.message for finding in found_wrong if finding.is_error)
    if problems:
        return Checked(problems=problems)
    notes = [finding.message for finding in found_wrong]
    return Checked(policy=policy, notes=(*notes, *_unknown(ground, policy)))


def as_active(policy: Policy) -> Policy:
    """The policy as it would be if it decided."""
    return _ours(policy, policy.id, ACTIVE)


def _ours(policy: Policy, identifier: str, mode: str) -> Policy:
    """The policy written anew from its tokens, with our annotations and without comments."""
    every = [token.text for token in tokens(policy.text)]
    begins = next(
        number
        for number, text in enumerate(every)
        if text == policy.effect and every[number - 1 : number] != ["@"]
    )
    annotations = [f'@id("{identifier}")', *([f'@mode("{mode}")'] if mode != ACTIVE else [])]
    text = cedarpy.format_policies(" ".join([*annotations, *every[begins:]]))
    (again,) = read_policies([(SOURCE, text.strip())])
    # INVARIANT: what was read and checked is what is written.
    if _said(again) != _said(policy):
        raise PolicyError(SOURCE, "it reads otherwise once it is laid out; write it more simply")
    return again


def _said(policy: Policy) -> dict[str, Json]:
    return {name: value for name, value in policy.est.items() if name != "annotations"}


def _unknown(ground: Ground, policy: Policy) -> list[str]:
    """Groups and claims that nobody has named before: probably right, possibly invented."""
    groups = sorted(set(groups_in(policy, ground.names)) - set(ground.known_groups))
    claims = sorted(set(tags_in(policy.est)) - set(ground.known_claims))
    return [
        *(
            f'no policy or setting names the group "{group}" yet: do tokens carry it?'
            for group in groups
        ),
        *(f'no policy reads the claim "{claim}" yet: do tokens carry it?' for claim in claims),
    ]
