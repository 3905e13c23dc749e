"""A context without its levels is decided on as the context itself is, in all that is said."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.model import Json, Verdict
from callgate.policy.context import build
from callgate.policy.decisions import principal, tool
from callgate.policy.engine import Engine, Question
from callgate.policy.hoisting import Flattening, flat, hoisted, raised
from callgate.policy.names import Names
from callgate.policy.parts import Part
from callgate.policy.plans import Plan
from callgate.policy.schema import context_shape, input_shape
from callgate.policy.source import read_policies
from fakes.conditions import nested

NAMES = Names()
NOW = 1_790_000_000.0
ENRICHMENTS = {"risk": {"score": "integer", "level": "string"}, "more.or": {"less": "boolean"}}
SCHEMA: dict[str, Json] = {
    "type": "object",
    "properties": {
        "sure": {"type": "integer"},
        "maybe": {"type": "integer"},
        "null": {"type": ["boolean", "null"]},
        "price": {"type": "number"},
        "word.may": {"type": "string"},
        "word": {
            "type": "object",
            "properties": {"may": {"type": "boolean"}, "a\\": {"type": "string"}},
            "required": ["a\\"],
        },
        "deep": {
            "type": "object",
            "properties": {
                "er": {
                    "type": "object",
                    "properties": {"word": {"type": "string"}},
                    "required": ["word"],
                },
                "items": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["er"],
        },
        "either": {"type": ["string", "integer"]},
        "open": {},
    },
    "required": ["sure", "deep", "word"],
}
ADA = principal("ada", groups=["staff"])
TOOL = tool("shop___buy", SCHEMA)
INPUT = input_shape(SCHEMA)
CONTEXT = context_shape(INPUT, ENRICHMENTS)


def test_records_that_are_always_there_go_unless_they_are_read_whole() -> None:
    every = {(), ("input",), ("input", "word"), ("input", "deep"), ("input", "deep", "er")}
    found = hoisted(CONTEXT, {("input", "sure"), ("input", "deep", "er", "word")})

    assert every <= found
    assert ("input", "either") not in found
    assert hoisted(CONTEXT, {("input", "sure"), ()}) == frozenset()
    assert ("input", "deep", "er") not in hoisted(CONTEXT, {("input", "deep")})
    assert ("input",) not in hoisted(CONTEXT, {("input",)})


def test_no_two_places_get_the_same_name() -> None:
    records = hoisted(CONTEXT, [("input", "sure")])
    shape = flat(CONTEXT, records)

    assert {"input.word\\.may", "input.word.may", "input.word.a\\\\"} <= shape.fields.keys()
    assert "input.deep.er.word" in shape.fields


def test_what_is_read_is_read_at_the_top() -> None:
    records = frozenset({(), ("input",)})
    access = {".": {"left": {".": {"left": {"Var": "context"}, "attr": "input"}}, "attr": "deep"}}
    has = {"has": {"left": access, "attr": "er"}}
    top = {".": {"left": {"Var": "context"}, "attr": "input.deep"}}

    assert raised(access, records) == top
    assert raised({"!": {"arg": has}}, records) == {
        "!": {"arg": {"has": {"left": top, "attr": "er"}}}
    }


CONJUNCT = st.sampled_from(
    [
        "context.input.sure > 3",
        "context.input.sure + 9223372036854775807 > 0",
        "(if context.input has maybe then context.input.maybe else 0) > 1",
        "{a: context.input.sure}.a == 4",
        "[context.input.sure, 4].contains(4)",
        "-context.input.sure < 0",
        "context.input has none",
        "context.input has maybe && context.input.maybe * 9223372036854775807 > 3",
        'context.input has null && context.input["null"]',
        'context.meta.nulls.contains("null")',
        "context.meta.extra.isEmpty()",
        'context.input has "word.may" && context.input["word.may"] like "a*"',
        "context.input.word has may && context.input.word.may",
        'context.input.word["a\\\\"] == "b"',
        'context.input.deep.er.word like "a*"',
        'context.input.deep.er == {word: "a1"}',
        "context.input has deep && context.input.deep has er",
        "context.input has deep.items && context.input.deep.items.isEmpty()",
        "context.input == context.input",
        "context == context",
        "context has input",
        "context.input.deep has none",
        'context.input has price && context.input.price.greaterThan(decimal("1.5"))',
        "context.derived.deep.er.word.length > 1",
        "context.derived has word && context.derived.word has a",
        "context.enriched.risk has score && context.enriched.risk.score > 1",
        'context.enriched["more.or"] has less && context.enriched["more.or"].less',
        "context.enriched.risk == context.enriched.risk",
        "context.enriched has none",
        'context.system.now > datetime("2026-01-01")',
        "context.input has either && context.input.either has string",
        'context.input has open && context.input.open has json && context.input.open.json == "1"',
        "principal has tenant",
    ]
)
CONDITION = st.tuples(st.sampled_from(["when", "when", "unless"]), nested(CONJUNCT)).map(
    lambda parts: f"{parts[0]} {{ {parts[1]} }}"
)
POLICY = st.tuples(st.sampled_from(["permit", "forbid"]), st.lists(CONDITION, max_size=2)).map(
    lambda parts: f"{parts[0]} (principal, action, resource) {' '.join(parts[1])};"
)
ANYTHING: st.SearchStrategy[Json] = st.sampled_from([None, True, 1, 2**70, 1.00001, "a1", [], {}])
DEEP = st.fixed_dictionaries(
    {"er": st.just({"word": "a1"}) | st.just({"word": "10.0.0.1"}) | ANYTHING},
    optional={"items": st.lists(st.just("x")) | ANYTHING},
)
ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "sure": st.sampled_from([0, 4, 2**62]) | ANYTHING,
        "maybe": st.sampled_from([1, 2]) | ANYTHING,
        "null": st.booleans() | ANYTHING,
        "price": st.sampled_from([1, 1.75]) | ANYTHING,
        "word.may": ANYTHING,
        "word": st.fixed_dictionaries({}, optional={"may": st.booleans(), "a\\": ANYTHING})
        | ANYTHING,
        "deep": DEEP | ANYTHING,
        "either": ANYTHING,
        "open": ANYTHING,
        "none": ANYTHING,
    },
)
WELL_FORMED = st.fixed_dictionaries(
    {
        "sure": st.sampled_from([0, 4, 2**62]),
        "word": st.fixed_dictionaries(
            {"a\\": st.sampled_from(["a", "b"])}, optional={"may": st.booleans()}
        ),
        "deep": st.fixed_dictionaries(
            {"er": st.fixed_dictionaries({"word": st.sampled_from(["a1", "b"])})},
            optional={"items": st.lists(st.just("x"))},
        ),
    },
    optional={
        "maybe": st.sampled_from([1, 2]),
        "null": st.booleans() | st.none(),
        "price": st.sampled_from([1, 1.75]),
        "word.may": st.sampled_from(["a", "b"]),
        "either": st.sampled_from(["x", 1]),
        "open": st.sampled_from([1, "x", [], {}]),
        "none": st.just(1),
    },
)
ENRICHED: st.SearchStrategy[dict[str, dict[str, Json]]] = st.fixed_dictionaries(
    {},
    optional={
        "risk": st.fixed_dictionaries(
            {}, optional={"score": st.integers(0, 3) | ANYTHING, "level": ANYTHING}
        ),
        "more.or": st.fixed_dictionaries({}, optional={"less": ANYTHING}),
    },
)


class Plain(Engine):
    """Decides on contexts as they are."""

    def _evaluated(self, plan: Plan, part: Part, question: Question) -> Verdict:
        context = self._context(plan, part.deciders.context, question)
        if isinstance(context, Verdict):
            return context
        return self._verdict(plan, part, part.deciders, context)


@settings(max_examples=400, deadline=None)
@given(
    st.lists(POLICY, min_size=1, max_size=5),
    st.lists(ARGUMENTS | WELL_FORMED, min_size=1, max_size=4),
    ENRICHED,
)
def test_the_verdict_is_the_same_in_every_word(
    texts: list[str], calls: list[dict[str, Json]], enriched: dict[str, dict[str, Json]]
) -> None:
    policies = read_policies([("p", "\n".join(texts))])
    engine, plain = Engine(policies, NAMES, ENRICHMENTS), Plain(policies, NAMES, ENRICHMENTS)
    for arguments in calls:
        question = Question(
            principal=ADA, tool=TOOL, arguments=arguments, enriched=enriched, now=NOW
        )

        assert engine.authorize(question) == plain.authorize(question)


PAYING = tool(
    "shop___pay",
    {
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "amount": {"type": "integer"},
            "sure": {"type": "boolean"},
            "at": {
                "type": "object",
                "properties": {"city": {"type": "string"}, "floor": {"type": "integer"}},
                "required": ["city"],
            },
        },
        "required": ["to", "amount", "at"],
    },
)
PAID: dict[str, Json] = {"to": "bob", "amount": 5, "at": {"city": "here"}}
PAYMENTS = read_policies(
    [
        (
            "p",
            """permit (principal, action, resource) when { context.input.amount < 10 };
            forbid (principal, action, resource)
                when { context.input has sure && !context.input.sure };
            forbid (principal, action, resource)
                when { context.input.to == "eve" || context.input.at.city like "*nowhere*" };""",
        )
    ]
)
ODD: st.SearchStrategy[Json] = st.sampled_from(
    [None, True, 0, 5.0, 0.5, 2**63, "eve", "no", [], {}, {"__extn": {"fn": "ip", "arg": "::1"}}]
)


class Watched(Engine):
    """Notes which requests went with the schema."""

    def _raw(self, *given: Any, has_types: bool = False) -> str:
        self.with_schema = [*getattr(self, "with_schema", []), not has_types]
        return super()._raw(*given, has_types=has_types)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {},
            optional={
                "to": st.sampled_from(["bob", "eve"]) | ODD,
                "amount": st.integers(0, 20) | ODD,
                "sure": st.booleans() | ODD,
                "at": st.just({"city": "here"}) | st.fixed_dictionaries({"city": ODD}) | ODD,
                "more": ODD,
            },
        ),
        max_size=6,
    )
)
def test_plain_values_are_decided_on_alike_without_the_schema(calls: list[dict[str, Json]]) -> None:
    engine, plain = Watched(PAYMENTS, NAMES), Plain(PAYMENTS, NAMES)
    for arguments in (PAID, *calls, PAID):
        question = Question(principal=ADA, tool=PAYING, arguments=arguments, enriched={}, now=NOW)

        assert engine.authorize(question) == plain.authorize(question)

    assert (engine.with_schema[0], engine.with_schema[-1]) == (True, False)


@pytest.mark.parametrize(
    ("condition", "is_plain"),
    [
        ("context.input.sure == 1", True),
        ('context.input.word["a\\\\"] == "x"', True),
        ('context.input has price && context.input.price == decimal("1.0")', False),
        ('context.input.deep has items && context.input.deep.items.contains("x")', False),
        ("context.enriched.risk has score && context.enriched.risk.score > 1", False),
        ('context.system.now > datetime("2026-01-01")', False),
    ],
)
def test_only_plain_values_go_without_the_schema(condition: str, is_plain: bool) -> None:
    text = f"permit (principal, action, resource) when {{ {condition} }};"
    engine = Watched(read_policies([("p", text)]), NAMES, ENRICHMENTS)
    arguments = {"sure": 1, "deep": {"er": {"word": "x"}}, "word": {"a\\": "x"}, "price": 1.0}
    question = Question(principal=ADA, tool=TOOL, arguments=arguments, enriched={}, now=NOW)

    engine.authorize(question)
    engine.authorize(question)

    assert engine.with_schema == [True, not is_plain]


CHAINS = st.lists(
    st.sampled_from(
        [
            *(("input", "sure"), ("input", "null"), ("input", "word", "may"), ("input", "deep")),
            *(("input", "deep", "er", "word"), ("derived", "deep", "er", "word", "length")),
            *(("meta", "nulls"), ("system", "now"), ("enriched", "risk", "score"), ("enriched",)),
            *(("enriched", "risk"), ("enriched", "more.or", "less"), ("input",), ("system",)),
        ]
    ),
    min_size=1,
)


@given(CHAINS, WELL_FORMED, st.fixed_dictionaries({}, optional={"risk": st.just({"score": 1})}))
def test_a_flat_context_holds_what_the_context_holds(
    chains: list[tuple[str, ...]],
    arguments: dict[str, Json],
    enriched: dict[str, dict[str, Json]],
) -> None:
    records = hoisted(CONTEXT, chains)
    whole = build(CONTEXT, INPUT, arguments, enriched, NOW)

    found = Flattening(CONTEXT, records).read(INPUT, arguments, enriched, NOW)

    assert found == lifted(whole, records, ())


def lifted(
    record: Mapping[str, Any], records: frozenset[tuple[str, ...]], path: tuple[str, ...]
) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for name, value in record.items():
        below = (*path, name)
        if below in records:
            found |= lifted(value, records, below)
        else:
            found[".".join(one.replace("\\", "\\\\").replace(".", "\\.") for one in below)] = value
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        {"sure": 1},
        {"sure": 1, "deep": {}},
        {"sure": 1, "deep": None},
        {"sure": 1, "deep": {"er": []}},
        {"sure": 1, "deep": {"er": {}}, "price": 1.00001},
    ],
)
def test_what_is_not_as_its_shape_says_is_left_to_the_context_itself(
    arguments: dict[str, Json],
) -> None:
    records = hoisted(CONTEXT, {("input", "sure")})

    assert Flattening(CONTEXT, records).read(INPUT, arguments, {}, NOW) is None
