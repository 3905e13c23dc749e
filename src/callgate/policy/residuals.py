"""What of a policy's conditions stays open once principal, tool and time are known: a formula."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from callgate.policy.domains import OPPOSITES, Scalar
from callgate.policy.expressions import Chain, Expression, chain_of, context_chains
from callgate.policy.formulas import Check, Formula, Presence, both, either
from callgate.policy.ground import ALWAYS_THERE, ENTITIES, KINDS, Constant, Ground
from callgate.policy.leaves import Leaf
from callgate.policy.shapes import WITH_FIELDS, Kind
from callgate.policy.source import Policy
from callgate.policy.wildcards import fits, pattern_of

MAX_LEVELS = 60  # of an expression, a chain of && or || counted once; what is deeper stays unread

Gates = frozenset[Chain]
NO_GATES: Gates = frozenset()

_DECIMALS = {
    "lessThan": "<",
    "lessThanOrEqual": "<=",
    "greaterThan": ">",
    "greaterThanOrEqual": ">=",
}
_LONGS = {name: name for name in ("<", "<=", ">", ">=")}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


class Truth(NamedTuple):
    """When an expression is true and when it is false: never less than that, mostly just that.

    Where neither holds its evaluation fails. `gates` are there whenever it is true: what comes
    after may rely on them, as Cedar's validator lets it.
    """

    true: Formula
    false: Formula
    gates: Gates = NO_GATES

    @property
    def turned(self) -> Truth:
        """Of the negated expression."""
        return Truth(self.false, self.true)


ALWAYS, NEVER = Truth(True, False), Truth(False, True)
FAILS, UNREAD = Truth(False, False), Truth(True, True)


@dataclass(frozen=True, slots=True, eq=False)
class Residual:
    """One policy, for one principal, tool and time: when it applies, and when it does not."""

    policy: Policy
    applies: Formula
    passes: Formula  # it does not apply, and does not fail either
    is_exact: bool  # nothing in it stayed unread, and it never fails
    is_plain: bool  # of a kind that Cedar's validator is known to take


class Spot(NamedTuple):
    """An expression where it stands, and what is sure to be there before it is evaluated."""

    operator: str
    operands: Any
    expression: Expression
    gates: Gates


class Reader:
    """Reads the conditions of one policy. INVARIANT: what it cannot read may be true and false."""

    def __init__(
        self, ground: Ground, closed: Callable[[Expression], Truth], *, is_plain: bool = True
    ) -> None:
        """`closed` evaluates what is not read here, where nothing in it is unknown. `is_plain`:
        whether Cedar's validator takes the scopes.
        """
        self._ground = ground
        self._closed = closed
        self._is_exact = True
        self._is_plain = is_plain
        self._is_idle = False  # what is read now is never evaluated
        self._atoms: dict[str, Callable[[Spot], Truth | None]] = {
            "has": self._has,
            "hasTag": self._has_tag,
            ".": self._truth_of,
            "==": self._equal,
            "!=": self._equal,
            "like": self._like,
            "in": self._in,
            "is": self._is,
            "contains": self._contains,
            "containsAny": self._contains_several,
            "containsAll": self._contains_several,
            "isEmpty": self._is_empty,
            **dict.fromkeys((*_LONGS, *_DECIMALS), self._compared),
        }

    def read(self, policy: Policy) -> Residual:
        """The residual of a policy whose scope matches."""
        conditions = [(one["kind"], one["body"]) for one in policy.est["conditions"]]
        bodies = [body if kind == "when" else {"!": {"arg": body}} for kind, body in conditions]
        truth = self._chain(bodies, NO_GATES, 0)
        return Residual(policy, truth.true, truth.false, self._is_exact, self._is_plain)

    def _truth(self, expression: Expression, gates: Gates, level: int) -> Truth:
        operator, operands = next(iter(expression.items()))
        if level > MAX_LEVELS:
            return self._unread()
        if operator == "&&":
            return self._chain(_flat(expression, operator), gates, level + 1)
        if operator == "||":
            return self._options(_flat(expression, operator), gates, level + 1)
        if operator == "!":
            return self._truth(operands["arg"], gates, level + 1).turned
        if operator == "if-then-else":
            return self._if(operands, gates, level + 1)
        if operator == "Value" and isinstance(operands, bool):
            return ALWAYS if operands else NEVER
        read = self._atoms.get(operator)
        found = read(Spot(operator, operands, expression, gates)) if read is not None else None
        return self._other(expression) if found is None else found

    def _other(self, expression: Expression) -> Truth:
        """What is not read here: evaluated, where everything in it is known."""
        knows = self._ground.knows
        if self._is_idle or not all(knows(chain) for chain in context_chains(expression)):
            return self._unread()
        self._is_plain = False
        truth = self._closed(expression)
        self._is_exact = self._is_exact and truth not in (FAILS, UNREAD)
        return truth

    def _unread(self) -> Truth:
        self._is_exact = self._is_plain = False
        return UNREAD

    def _chain(self, parts: Iterable[Expression], gates: Gates, level: int) -> Truth:
        """`a && b && c`: what comes later is evaluated only where all before is true."""
        true: Formula = True
        false: list[Formula] = []
        gained = NO_GATES
        was = self._is_exact, self._is_idle
        for part in parts:
            one = self._truth(part, gates | gained, level)
            if true is not False:
                false.append(both(true, one.false))
                true = both(true, one.true)
                was = (self._is_exact, was[1])
            if one is NEVER:
                break  # whatever the principal: Cedar's validator reads no further either
            gained |= one.gates
            self._is_idle = was[1] or true is False
        self._is_exact, self._is_idle = was
        return Truth(true, either(*false), gained)

    def _options(self, parts: Iterable[Expression], gates: Gates, level: int) -> Truth:
        """`a || b || c`: what comes later is evaluated only where all before is false."""
        true: list[Formula] = []
        false: Formula = True
        gained: Gates | None = None
        was = self._is_exact, self._is_idle
        for part in parts:
            one = self._truth(part, gates, level)
            if false is not False:
                true.append(both(false, one.true))
                false = both(false, one.false)
                was = (self._is_exact, was[1])
            gained = one.gates if gained is None else gained & one.gates
            if one is ALWAYS:
                break
            self._is_idle = was[1] or false is False
        self._is_exact, self._is_idle = was
        return Truth(either(*true), false, gained or NO_GATES)

    def _if(self, operands: dict[str, Expression], gates: Gates, level: int) -> Truth:
        test = self._truth(operands["if"], gates, level)
        then = self._truth(operands["then"], gates | test.gates, level)
        other = self._truth(operands["else"], gates, level)
        return Truth(
            either(both(test.true, then.true), both(test.false, other.true)),
            either(both(test.true, then.false), both(test.false, other.false)),
            (test.gates | then.gates) & other.gates,
        )

    # What follows reads one test each: of one place, or of what is known. None: it cannot.

    def _has(self, spot: Spot) -> Truth | None:
        if spot.operands["left"] == {"Var": "principal"}:
            name = spot.operands["attr"]
            return self._asked_for((".", name), name in self._ground.attributes)
        chain, ground = chain_of(spot.expression), self._ground
        if chain is None:
            return None
        if ground.knows(chain):
            is_inner = len(chain) > 2 or chain[:1] != ("input",)
            return None if is_inner else self._asked(ground.value(chain) is not None)
        leaf = ground.leaf(chain)
        if leaf is None or not leaf.gates or leaf.gates[-1] != chain:
            return self._has_declared(chain, leaf, spot.gates)
        if chain in spot.gates:
            return Truth(True, False, frozenset({chain}))
        self._rely(leaf.gates[:-1], spot.gates)
        there, gone = (Presence(chain, leaf.gates[:-1], is_there) for is_there in (True, False))
        return Truth(there, gone, frozenset({chain}))

    def _has_declared(self, chain: Chain, leaf: Leaf | None, gates: Gates) -> Truth | None:
        """Of what is always there, or never."""
        if len(chain) > 1:
            outer = self._ground.leaf(chain[:-1])
            if outer is None or outer.kind not in (*WITH_FIELDS, Kind.TEXT):
                return None
            if not gates.issuperset(outer.gates):
                return None
        return NEVER if leaf is None else ALWAYS

    def _has_tag(self, spot: Spot) -> Truth | None:
        name = spot.operands["right"].get("Value")
        if spot.operands["left"] != {"Var": "principal"} or not isinstance(name, str):
            return None
        return self._asked_for(("getTag", name), name in self._ground.tags)

    def _truth_of(self, spot: Spot) -> Truth | None:
        term = self._term(spot.expression, spot.gates)
        return self._one_of(term, "truth", frozenset({1}), spot.gates)

    def _equal(self, spot: Spot) -> Truth | None:
        one, other = self._terms(spot, spot.operands["left"], spot.operands["right"])
        if isinstance(one, Constant):
            one, other = other, one
        if not isinstance(other, Constant) or other.is_set:
            return None
        truth = self._one_of(one, other.sort, frozenset({other.value}), spot.gates)
        return truth.turned if truth is not None and spot.operator == "!=" else truth

    def _like(self, spot: Spot) -> Truth | None:
        term, pattern = (
            self._term(spot.operands["left"], spot.gates),
            pattern_of(spot.operands["pattern"]),
        )
        if isinstance(term, Constant):
            return _answered(fits(term.value, pattern)) if term.sort == "text" else None
        if term is None or term.kind is not Kind.STRING:
            return None
        return self._test(term, "like", pattern, spot.gates)

    def _compared(self, spot: Spot) -> Truth | None:
        """Put as `leaf <= n`, or as its opposite."""
        sort = "long" if spot.operator in _LONGS else "decimal"
        operator = _LONGS.get(spot.operator) or _DECIMALS[spot.operator]
        pair = (spot.operands["left"], spot.operands["right"]) if sort == "long" else spot.operands
        one, other = self._terms(spot, *pair)
        if isinstance(one, Constant):
            one, other, operator = other, one, _TURNED[operator]
        if not isinstance(other, Constant) or (other.sort, other.is_set) != (sort, False):
            return None
        bound = other.value - 1 if operator in ("<", ">=") else other.value
        if isinstance(one, Constant):
            truth = _answered(one.value <= bound) if one.sort == sort else None
        elif one is None or KINDS[sort] is not one.kind:
            return None
        else:
            truth = self._test(one, "<=", bound, spot.gates)
        return truth.turned if truth is not None and operator in (">", ">=") else truth

    def _contains(self, spot: Spot) -> Truth | None:
        one, other = self._terms(spot, spot.operands["left"], spot.operands["right"])
        if isinstance(one, Constant):
            return self._one_of(other, one.sort, one.value, spot.gates) if one.is_set else None
        if not isinstance(other, Constant) or other.is_set or one is None:
            return None
        return self._of_set(one, Constant(other.sort, frozenset({other.value})), spot)

    def _contains_several(self, spot: Spot) -> Truth | None:
        one, other = self._terms(spot, spot.operands["left"], spot.operands["right"])
        if spot.operator == "containsAny" and isinstance(one, Constant):
            one, other = other, one
        if not isinstance(one, Leaf) or not isinstance(other, Constant) or not other.is_set:
            return None
        return self._of_set(one, other, spot)

    def _of_set(self, leaf: Leaf, wanted: Constant, spot: Spot) -> Truth | None:
        if leaf.item_kind is None or KINDS.get(wanted.sort) is not leaf.item_kind:
            return None
        values: list[Scalar] = sorted(wanted.value)
        truths = [self._test(leaf, "holds", value, spot.gates) for value in values]
        if spot.operator == "containsAny":
            return Truth(either(*(t.true for t in truths)), both(*(t.false for t in truths)))
        return Truth(both(*(t.true for t in truths)), either(*(t.false for t in truths)))

    def _is_empty(self, spot: Spot) -> Truth | None:
        term = self._term(spot.operands["arg"], spot.gates)
        if not isinstance(term, Leaf) or term.kind is not Kind.SET or term.start is None:
            return None
        return self._test(term, "empty", None, spot.gates)

    def _in(self, spot: Spot) -> Truth | None:
        left = spot.operands["left"].get("Var")
        right = self._term(spot.operands["right"], spot.gates)
        if left not in ENTITIES or not isinstance(right, Constant) or right.sort != "uid":
            return None
        wanted = right.value if right.is_set else {right.value}
        return self._asked(not getattr(self._ground, left).ancestors.isdisjoint(wanted))

    def _is(self, spot: Spot) -> Truth | None:
        left = spot.operands["left"].get("Var")
        if left not in ENTITIES or "in" in spot.operands:
            return None
        own = getattr(self._ground, left).own
        return self._asked(own[0] == spot.operands["entity_type"])

    def _asked(self, answer: bool) -> Truth:
        """Of entities; whether Cedar's validator takes the question is left to it."""
        self._is_plain = False
        return _answered(answer)

    def _asked_for(self, gate: Chain, answer: bool) -> Truth:
        """Whether something of the principal is there: what comes after may rely on it."""
        return Truth(answer, not answer, frozenset({gate}))

    def _terms(
        self, spot: Spot, left: Expression, right: Expression
    ) -> list[Constant | Leaf | None]:
        return [self._term(left, spot.gates), self._term(right, spot.gates)]

    def _term(self, expression: Expression, gates: Gates) -> Constant | Leaf | None:
        """INVARIANT: a fact of the principal that nobody asked for is left to Cedar's validator."""
        operator, operands = next(iter(expression.items()))
        term = self._ground.term(expression)
        if operator == "Set":
            self._is_plain = self._is_plain and all("Value" in item for item in operands)
        elif isinstance(operands, dict) and operands.get("left") == {"Var": "principal"}:
            name = operands["right"].get("Value") if operator == "getTag" else operands.get("attr")
            if (
                isinstance(name, str) and (operator, name) in gates
            ):  # where it is missing, this is never evaluated
                return term if term is not None else Constant("text", "")
            self._is_plain = self._is_plain and operator == "." and name in ALWAYS_THERE
        return term

    def _one_of(
        self, term: Constant | Leaf | None, sort: str, values: frozenset[Any], gates: Gates
    ) -> Truth | None:
        if isinstance(term, Constant):
            is_alike = term.sort == sort and not term.is_set
            return _answered(term.value in values) if is_alike else None
        if term is None or KINDS.get(sort) is not term.kind:
            return None
        return self._test(term, "in", values, gates)

    def _test(self, leaf: Leaf, operator: str, operand: Any, gates: Gates) -> Truth:
        """A test and its opposite; where nobody asked whether the place is there, both may fail."""
        assert leaf.start is not None  # noqa: S101 - its kind is one that is told apart
        opposite = (">=", operand + 1) if operator == "<=" else (OPPOSITES[operator], operand)
        true: Formula = Check(leaf, leaf.start, operator, operand)
        false: Formula = Check(leaf, leaf.start, *opposite)
        if self._rely(leaf.gates, gates):
            there = Presence(leaf.gates[-1], leaf.gates[:-1], True)
            true, false = both(there, true), both(there, false)
        return Truth(true, false)

    def _rely(self, needed: tuple[Chain, ...], gates: Gates) -> bool:
        """Notes that something is relied on of which nobody asked whether it is there."""
        if gates.issuperset(needed):
            return False
        self._is_exact = self._is_plain = False
        return True


def _answered(answer: bool) -> Truth:
    """Of what is known; unlike ALWAYS and NEVER it may be another answer for another principal."""
    return Truth(answer, not answer)


def _flat(expression: Expression, operator: str) -> list[Expression]:
    """`a op b op c`, which stands for `(a op b) op c`, as its parts."""
    found: list[Expression] = []
    while expression.keys() == {operator}:
        found.append(expression[operator]["right"])
        expression = expression[operator]["left"]
    return [expression, *reversed(found)]
