"""What would have to differ for a recorded decision to come out the other way, and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator

from msgspec.structs import replace

from callgate.audit.record import rfc3339
from callgate.model import Json, Value
from callgate.policy.account import Account
from callgate.policy.candidates import ABSENT
from callgate.policy.cases import Fits
from callgate.policy.decided import Decision, is_hidden
from callgate.policy.engine import Engine
from callgate.policy.nearest import Search, Turn
from callgate.policy.places import Edit, Place, changed
from callgate.policy.simulate import Judge, Undecidable
from callgate.protocol.methods import METHODS

MAX_VALUE = 120  # characters of one value that are shown
NOT_KEPT = "the record does not hold the policies of that moment"
NO_NEED = "a list needs no permit: it holds what could be used"


class Prospect(Value):
    """The decision made again from the record, and what turns it."""

    is_permitted: bool  # as it was
    unknown: str = ""  # why nothing can be said; then the rest is empty
    account: Account | None = None
    turns: tuple[Turn, ...] = ()
    is_cut_short: bool = False  # there was more to try than the bounds let
    hides: bool = False  # some changes were left out, as policies would read what is not recorded


def prospect(judge: Judge, decision: Decision, fits: Fits) -> Prospect:
    """Decides again, by the policies of that moment, and looks for what turns it.

    Nothing is guessed: where these policies read what the record does not hold, or where the
    decision does not come out as it was recorded, that is what is said.
    """
    was_permitted = decision.ruling == "permit"
    if METHODS[decision.question.tool.method].is_list:
        return Prospect(is_permitted=was_permitted, unknown=NO_NEED)
    question = judge.question(decision)
    reading = judge.reading(question)
    try:
        ruled = judge.rule(decision, question, reading)
    except Undecidable as gap:
        return Prospect(is_permitted=was_permitted, unknown=_why(judge.engine, decision, str(gap)))
    if ruled.ruling is not decision.ruling or set(ruled.verdict.policies) != set(decision.policies):
        sentence = "made again from the record, the decision comes out otherwise"
        return Prospect(is_permitted=was_permitted, unknown=f"{sentence}: {ruled.verdict.reason}")
    search = Search(judge.engine, question, fits)
    turns = search.turns()
    known = tuple(turn for turn in turns if _is_known(judge, decision, turn))
    return Prospect(
        is_permitted=was_permitted,
        account=judge.account(question),
        turns=known,
        is_cut_short=search.is_cut_short,
        hides=len(known) < len(turns),
    )


def _why(engine: Engine, decision: Decision, gap: str) -> str:
    """With the places that are not known, where the policies read some."""
    question = decision.question
    policies = engine.in_scope(question.principal, question.tool).policies
    chains = [chain for policy in policies for chain in policy.chains]
    hidden = [place for place in decision.hidden if is_hidden((place,), chains)]
    named = [".".join(map(str, place[1:])) for place in hidden if len(place) > 1]
    return f"{gap} ({', '.join(named)})" if named else gap


def _is_known(judge: Judge, decision: Decision, turn: Turn) -> bool:
    """Whether the policies in scope after the change still read nothing that is not recorded."""
    changes = {Place(edit.kind, edit.path): _after(edit) for edit in turn.edits}
    question = changed(decision.question, changes)
    other = replace(decision, question=question, digest="")
    try:
        judge.rule(other, question, judge.reading(question))
    except Undecidable:
        return False
    return decision.knows_claims or not any(edit.kind == "claim" for edit in turn.edits)


def _after(edit: Edit) -> Json:
    if edit.kind == "group":
        return edit.is_there
    return edit.after if edit.is_there else ABSENT


def in_words(found: Prospect, *, was_let_through: bool = True) -> Iterator[str]:
    """One sentence a line; what callers wrote stands in them as it is."""
    if found.is_permitted and not was_let_through:
        yield "Policy permitted the call; what ended it was something else."
    would = "refused" if found.is_permitted else "permitted"
    if found.unknown:
        yield f"What would change it cannot be known: {found.unknown}."
        return
    for turn in found.turns:
        whole = " and ".join(map(phrase, turn.edits))
        yield f"It would be {would} if {whole} (then: {turn.verdict.reason})."
    if not found.turns:
        yield from _unturned(found, would)
    if found.is_cut_short:
        yield "There was more to try than is tried here."
    if found.hides:
        yield "Other changes are left out: policies would read what is masked or not recorded."


def _unturned(found: Prospect, would: str) -> Iterator[str]:
    decided = [] if found.account is None else found.account.verdict.policies
    told = () if found.account is None else found.account.policies
    settled = [one.policy for one in told if one.policy in decided and not one.clauses]
    if settled:
        yield f"It would not be {would} with any values: {', '.join(settled)} asks for none."
    else:
        yield f"No value was found with which it would be {would}."


def phrase(edit: Edit) -> str:
    """One change, so that it completes `would be permitted if …`."""
    name = ".".join(edit.path)
    match edit.kind:
        case "group":
            return f"the principal were {'' if edit.is_there else 'not '}in the group {name}"
        case "time":
            return f"it were decided at {rfc3339(edit.after)} instead of {rfc3339(edit.before)}"
        case "principal":
            said = f"{_shown(edit.after)} instead of {_shown(edit.before)}"
            return f"the principal, with the same groups and claims, were {said}"
        case "claim":
            name = f"the claim {name}"
        case "fact":
            name = f"the fact {name}"
        case "tenant" | "agent":
            name = f"the {edit.kind}"
    if not edit.is_there:
        return f"{name} were left out (it is {_shown(edit.before)})"
    if not edit.was_there:
        return f"{name} were given as {_shown(edit.after)}"
    return f"{name} were {_shown(edit.after)} instead of {_shown(edit.before)}"


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}…"
