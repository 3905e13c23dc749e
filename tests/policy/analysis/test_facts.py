"""What is said of derived facts holds of every text that they are read from."""

from collections.abc import Iterator

from hypothesis import example, given, settings
from hypothesis import strategies as st

from callgate.model import Json
from callgate.policy.analysis.facts import Slots, of_json, of_set, of_text
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.terms import Truth, conj, negation, number_variable, truth_variable
from callgate.policy.analysis.texts import Texts, same_text
from callgate.policy.analysis.values import Scalar, Set, Sort, Value
from callgate.policy.derived import STRING_FACTS
from callgate.policy.readings import read

SORTS = {"string": Sort.STRING, "boolean": Sort.BOOL, "integer": Sort.LONG}
KNOWN = [name for name, field in STRING_FACTS.fields.items() if field.shape.kind.value in SORTS]
TEXT = st.one_of(
    st.text(),
    st.text("/.~\\ax\0", max_size=8),
    st.text("ab.:/@-", max_size=12),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "ftp", "x"]),
        st.sampled_from(["", "u@", "u:p@"]),
        st.sampled_from(
            ["example.com", "a.b.co.uk", "10.0.0.1", "[::1]", "x", "com", "EXAMPLE.com."]
        ),
        st.sampled_from(["", "/", ":80", ":8080/x?y", "\\x", "/../"]),
    ),
)


def slots_of(text: str) -> Slots:
    """The facts of a text, all of them known."""
    found = read(text, KNOWN)
    slots: dict[str, tuple[Truth, Value]] = {}
    for name in KNOWN:
        sort = SORTS[STRING_FACTS.fields[name].shape.kind.value]
        missing: Json = {Sort.STRING: "?", Sort.BOOL: False, Sort.LONG: 0}[sort]
        slots[name] = name in found, Scalar(sort, found.get(name, missing))
    return slots


@settings(deadline=None)
@given(TEXT)
@example("Ada <ada@mail.example.com>")
@example("example.com:8080")
@example("~/x")
def test_the_rules_hold_of_every_text(text: str) -> None:
    assert conj(*of_text(text, slots_of(text))) is True


def test_of_a_host_that_a_policy_names_the_domain_is_known() -> None:
    texts = Texts()
    host, domain = texts.unknown("host"), texts.unknown("domain")
    is_host = same_text(host, "api.example.co.uk")
    is_address = same_text(host, "10.0.0.1")
    has_domain = truth_variable("has domain")
    slots: Slots = {
        "host": (True, Scalar(Sort.STRING, host)),
        "domain": (has_domain, Scalar(Sort.STRING, domain)),
    }
    rules = list(of_text(texts.unknown("raw"), slots))
    is_domain = conj(has_domain, same_text(domain, "example.co.uk"))
    solver = Solver([*rules, *texts.rules()], 5.0)

    assert solver.ask([is_host, negation(is_domain)]) is Answer.NO
    assert solver.ask([is_address, has_domain]) is Answer.NO
    assert solver.ask([is_host, is_domain]) is Answer.YES


def test_an_array_has_no_items_just_where_the_set_of_them_is_empty() -> None:
    count = number_variable("count")
    slots: Slots = {"count": (True, Scalar(Sort.LONG, count))}
    full = Set(given=((True, Scalar(Sort.LONG, 1)),))

    assert _possible(of_set(full, slots), count == 0) is Answer.NO
    assert _possible(of_set(full, slots), count == 7) is Answer.YES
    assert _possible(of_set(Set(), slots), count == 1) is Answer.NO
    assert _possible(of_json(slots), count == -1) is Answer.NO


def _possible(rules: Iterator[Truth], truth: Truth) -> Answer:
    return Solver(list(rules), 5.0).ask([truth])
