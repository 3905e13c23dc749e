"""What would have to differ for a verdict to turn: tried value by value, and confirmed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext

from callgate.model import Json, Tool, Value, Verdict
from callgate.policy.account import Account, State
from callgate.policy.candidates import ABSENT, STEP
from callgate.policy.cases import Ruling, ruling_of
from callgate.policy.engine import Engine, Question
from callgate.policy.openings import Openings
from callgate.policy.places import KINDS, Changes, Edit, Place, changed, edits_of, value_at
from callgate.policy.source import SHADOW

MAX_TRIALS = 4_000  # evaluations of one search, of some 100 µs each
MAX_LOOKS = 400  # accounts of one search for several changes, of some 1 ms each
MAX_STEPS = 4  # places that are changed together where one alone is not enough
MAX_TURNS = 8
HOUR = 3600.0
HORIZON = 24 * 8  # hours, before and after, in which a time is looked for
MOST_DIGITS = 400  # of a number that JSON can hold, to the smallest difference
MILLISECOND = 0.001  # the smallest difference that policies can see in a time

Fits = Callable[[Tool, dict[str, Json]], str | None]


class Turn(Value):
    """What turns the verdict, and what it would be then."""

    edits: tuple[Edit, ...]
    verdict: Verdict


class Search:
    """The search around one decision. It decides no call."""

    def __init__(self, engine: Engine, question: Question, fits: Fits) -> None:
        """`fits`: whether changed arguments fit the tool, as `Validators.validate` says it."""
        self._engine = engine
        self._question = question
        self._fits = fits
        self._trials = 0
        self._looks = 0
        self.verdict = engine.authorize(question)

    @property
    def is_cut_short(self) -> bool:
        """Whether there was more to try than the bounds let."""
        return self._trials >= MAX_TRIALS or self._looks >= MAX_LOOKS

    def turns(self) -> tuple[Turn, ...]:
        """The changes that turn the verdict, the nearest first: of one value, else of a few."""
        openings = {
            place: sorted(values, key=lambda one, place=place: self._distance(place, one))  # type: ignore[misc]
            for place, values in Openings(self._engine, self._question).values().items()
        }
        found = [
            turn
            for place, values in openings.items()
            if (turn := self._turn(place, values)) is not None
        ]
        found.extend(self._in_time())
        if not found and not self.verdict.is_permitted:
            found.extend(self._several(openings))
        found.sort(key=lambda turn: (len(turn.edits), _rank(turn.edits[0])))
        return tuple(found[:MAX_TURNS])

    def _turn(self, place: Place, values: list[Json]) -> Turn | None:
        """The nearest value at one place that turns the verdict."""
        for value in values:
            verdict = self._tried({place: value})
            if verdict is not None:
                with localcontext(prec=MOST_DIGITS):
                    nearer = self._nearer(place, value)
                return nearer or self._made({place: value}, verdict)
        return None

    def _nearer(self, place: Place, value: Json) -> Turn | None:
        """Between the number that keeps the verdict and one that turns it, the first that does."""
        before = value_at(self._question, place)
        if not (_is_number(before) and _is_number(value)):
            return None
        is_whole = isinstance(before, int) and isinstance(value, int)
        step = Decimal(1) if is_whole else STEP
        kept, turning = Decimal(str(before)), Decimal(str(value))
        found: Turn | None = None
        while abs(turning - kept) > step:
            middle = (kept + (turning - kept) / 2).quantize(step)
            made = int(middle) if middle == middle.to_integral_value() else float(middle)
            verdict = self._tried({place: made}) if middle not in (kept, turning) else None
            if verdict is None and middle in (kept, turning):
                break
            if verdict is None:
                kept = middle
            else:
                turning, found = middle, self._made({place: made}, verdict)
        return found

    def _tried(self, changes: Changes) -> Verdict | None:
        """The verdict of the changed call where it is the other one, and no failure."""
        if self._trials >= MAX_TRIALS:
            return None
        self._trials += 1
        question = self._changed(changes)
        if question is None:
            return None
        verdict = self._engine.authorize(question)
        if verdict.is_permitted == self.verdict.is_permitted:
            return None
        return None if ruling_of(verdict) is Ruling.ERROR else verdict

    def _changed(self, changes: Changes) -> Question | None:
        """The question with other values; None where the arguments would not fit the tool."""
        question = changed(self._question, changes)
        if question.arguments is self._question.arguments:
            return question
        return question if self._fits(question.tool, question.arguments) is None else None

    def _made(self, changes: Changes, verdict: Verdict) -> Turn:
        return Turn(edits=edits_of(self._question, changes), verdict=verdict)

    def _in_time(self) -> Iterator[Turn]:
        """The next time, and the last, at which it would have come out the other way."""
        question = self._question
        if not self._engine.varies_with_time(question.principal, (question.tool,)):
            return
        for direction in (HOUR, -HOUR):
            for hours in range(1, HORIZON + 1):
                at = question.now + direction * hours
                verdict = self._tried({_TIME: at})
                if verdict is not None:
                    yield self._first(at - direction, at, verdict)
                    break

    def _first(self, kept: float, turning: float, verdict: Verdict) -> Turn:
        while abs(turning - kept) > MILLISECOND:
            middle = round((kept + turning) / 2, 3)
            if middle in (kept, turning):
                break
            other = self._tried({_TIME: middle})
            if other is None:
                kept = middle
            else:
                turning, verdict = middle, other
        return self._made({_TIME: turning}, verdict)

    def _several(self, openings: dict[Place, list[Json]]) -> Iterator[Turn]:
        """For each permit, changes after which it applies and no forbid does."""
        seen: set[tuple[Place, ...]] = set()
        for policy, start in self._permits():
            changes = self._climbed(policy, openings, start)
            if not changes or self._tried(changes) is None:
                continue
            changes = self._fewest(changes)
            verdict = self._tried(changes)
            if verdict is not None and tuple(changes) not in seen:
                seen.add(tuple(changes))
                yield self._made(changes, verdict)

    def _permits(self) -> Iterator[tuple[str, dict[Place, Json]]]:
        """The permits for this tool by id, each with what brings the principal into its scope."""
        question, names = self._question, self._engine.names
        in_scope = self._engine.in_scope(question.principal, question.tool).policies
        action = names.action_of(question.tool)
        for policy in self._engine.policies:
            if policy.effect != "permit" or policy.mode == SHADOW:
                continue
            if policy in in_scope:
                yield policy.id, {}
            elif action.meets(policy.action):
                for kind, name in policy.principal.uids:
                    if kind == f"{names.namespace}::{names.GROUP}":
                        yield policy.id, {Place("group", (name,)): True}

    def _climbed(
        self, policy: str, openings: dict[Place, list[Json]], start: dict[Place, Json]
    ) -> dict[Place, Json]:
        """Changes that take away what is in the permit's way, one after the other."""
        changes = dict(start)
        missing = self._missing(policy, changes)
        while missing and len(changes) < MAX_STEPS:
            step = self._step(policy, openings, changes, missing)
            if step is None:
                return {}
            missing, place, value = step
            changes[place] = value
        return changes if missing == 0 else {}

    def _step(
        self, policy: str, openings: dict[Place, list[Json]], changes: Changes, missing: int
    ) -> tuple[int, Place, Json] | None:
        best: tuple[int, Place, Json] | None = None
        for place, values in openings.items():
            for value in values if place not in changes else ():
                left = self._missing(policy, {**changes, place: value})
                if left is not None and left < (best[0] if best is not None else missing):
                    best = (left, place, value)
                    break  # the values are in order: what comes later is further away
        return best

    def _missing(self, policy: str, changes: Changes) -> int | None:
        """How much is in the permit's way; None where that cannot be said."""
        question = self._changed(changes)
        if question is None or self._looks >= MAX_LOOKS:
            return None
        self._looks += 1
        return _lacking(self._engine.examine(question), policy)

    def _fewest(self, changes: dict[Place, Json]) -> dict[Place, Json]:
        """Without the changes that are not needed."""
        for place in list(changes):
            fewer = {other: value for other, value in changes.items() if other != place}
            if fewer and self._tried(fewer) is not None:
                changes = fewer
        return changes

    def _distance(self, place: Place, value: Json) -> tuple[int, float]:
        """Numbers by how far, then what is something else, then what is not there."""
        before = value_at(self._question, place)
        if _is_number(before) and _is_number(value):
            return (0, abs(float(value) - float(before)))
        return (2 if value is ABSENT else 1, 0.0)


_TIME = Place("time")


def _lacking(account: Account, policy: str) -> int | None:
    """Clauses that keep the permit from applying, and forbids that apply."""
    active = [one for one in account.policies if one.mode != SHADOW]
    own = next((one for one in active if one.policy == policy), None)
    if own is None or any(one.state is State.FAILED for one in active):
        return None
    forbids = [one for one in active if one.effect == "forbid" and one.state is State.SATISFIED]
    return sum(part.holds is not True for part in own.clauses) + len(forbids)


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _rank(edit: Edit) -> tuple[int, int, float]:
    """Arguments first, as the agent can change those; among them numbers that are near."""
    is_scale = _is_number(edit.before) and _is_number(edit.after)
    far = abs(float(edit.after) - float(edit.before)) if is_scale else 0.0
    if is_scale and edit.kind != "time":
        far /= abs(float(edit.before)) + 1
    return (KINDS.index(edit.kind), 0 if is_scale else 1, far)
