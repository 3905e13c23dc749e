"""An argument as it could be given, as the solver has to see it."""

from callgate.policy.analysis.meaning import Compiler
from callgate.policy.analysis.pinning import facts_read, pins, real_facts
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.analysis.terms import negation
from callgate.policy.names import Names
from callgate.policy.schema import STRING
from fakes.subjects import a_payment, a_subject

PATH = ("input", "note")


def test_an_argument_brings_its_facts() -> None:
    subject = a_subject(
        "permit when { context.derived has note.host && context.derived.note.length < 20 && "
        'context.input has note && context.input.note like "https:*" };'
    )
    symbols = Symbols(a_payment(), Names(), {})
    satisfied = Compiler(symbols).policy(subject.policies[0]).is_satisfied
    solver = Solver(symbols.settled(), 5.0)
    there = symbols.fields[PATH][0]

    def answers(text: str) -> list[Answer]:
        known = [there, *pins(symbols, PATH, STRING, text)]
        return [solver.ask([*known, satisfied]), solver.ask([*known, negation(satisfied)])]

    assert facts_read(symbols, PATH).keys() == {"host", "length"}
    assert real_facts(symbols, PATH, STRING, "https://a.b/") == {"host": "a.b", "length": 12}
    assert answers("https://a.b/") == [Answer.YES, Answer.NO]
    assert answers("https://a.b/xxxxxxxxxxxxxxxx") == [Answer.NO, Answer.YES]
    assert answers("http://a.b/") == [Answer.NO, Answer.YES]
    assert answers("no url") == [Answer.NO, Answer.YES]


def test_an_argument_without_facts_that_are_read_has_none() -> None:
    symbols = Symbols(a_payment(), Names(), {})

    assert real_facts(symbols, PATH, STRING, "x") == {}
