"""Cedar text is taken apart exactly as its parser would, and never handed on beyond the limits."""

from typing import Any

import cedarpy
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.text import TextError, clause_spans, place, statements, tokens

HEAD = "permit(principal, action, resource)"


def conditions(statement: str) -> list[list[tuple[str, str]]]:
    return [
        [(span.kind, statement[span.start : span.end]) for span in spans]
        for spans in clause_spans(statement)
    ]


def test_statements_stand_where_their_first_word_does() -> None:
    text = f'// "a; b"\n  @id("x;y") {HEAD};\n\n{HEAD} when {{ context.s == ";" }};// end;'

    found = list(statements(text))

    assert [(s.line, s.column) for s in found] == [(2, 3), (4, 1)]
    assert [s.text for s in found] == [
        f'@id("x;y") {HEAD};',
        f'{HEAD} when {{ context.s == ";" }};',
    ]


def test_a_statement_without_an_end_is_handed_on_so_that_the_parser_can_say_so() -> None:
    assert [s.text for s in statements(f"{HEAD}; {HEAD} // more\n")] == [
        f"{HEAD};",
        f"{HEAD} // more",
    ]


def test_a_quote_that_is_not_closed_is_named_with_its_place() -> None:
    text = f'{HEAD}\nwhen {{ context.a == "x }};'

    with pytest.raises(TextError, match="not closed") as raised:
        list(statements(text))

    assert place(text, raised.value.offset) == (2, 21)


@pytest.mark.parametrize("opening", ["(", "[", "{", "!(", "- ("])
def test_nesting_is_bounded_before_any_parser_runs(opening: str) -> None:
    deep = opening * 101

    with pytest.raises(TextError, match="nested deeper than 100"):
        list(statements(f"{HEAD} when {{ {deep} }};"))


@pytest.mark.parametrize(
    "body",
    [
        "||".join(["true"] * 5000),
        "if true then true else " * 3000 + "true",
        "context" + ".a" * 50_000,
        "1" + " + 1" * 50_000,
    ],
)
def test_terms_in_a_row_are_bounded_before_any_parser_runs(body: str) -> None:
    with pytest.raises(TextError, match="operators"):
        list(statements(f"{HEAD} when {{ {body} }};"))


def test_many_names_in_texts_are_no_operators() -> None:
    names = ", ".join(f'Callgate::Action::"a.b-{i}||c"' for i in range(5000))

    (found,) = statements(f"permit(principal, action in [{names}], resource);")
    assert len(found.text) > 100_000


def test_one_statement_and_a_whole_text_are_bounded() -> None:
    with pytest.raises(TextError, match="one policy is longer"):
        list(statements(f'{HEAD} when {{ context.a == "{"x" * 300_000}" }};'))
    with pytest.raises(TextError, match="the text is longer"):
        list(statements(" " * (17 << 20)))


def test_a_when_is_taken_apart_into_its_conjuncts_and_an_unless_is_not() -> None:
    statement = (
        f"{HEAD} when {{ context.a && (context.b && context.c) }} unless {{ context.d && true }};"
    )

    assert conditions(statement) == [
        [("when", "context.a"), ("when", "(context.b && context.c)")],
        [("unless", "context.d && true")],
    ]


@pytest.mark.parametrize(
    "body",
    ["context.a || context.b && context.c", "if context.a then context.b else context.c && true"],
)
def test_what_is_no_conjunction_stays_whole(body: str) -> None:
    assert conditions(f"{HEAD} when {{ {body} }};") == [[("when", body)]]


def test_annotations_and_texts_that_look_like_conditions_are_none() -> None:
    statement = f'@when("when {{ a && b }}") {HEAD} when {{ context.a == "unless {{ x && y }}" }};'

    assert conditions(statement) == [[("when", 'context.a == "unless { x && y }"')]]


def test_a_character_that_begins_no_token_is_named() -> None:
    with pytest.raises(TextError, match="'#' is not part of Cedar"):
        tokens("a # b")


TERMS = st.sampled_from(
    [
        "context.a",
        "true",
        '"x;&&" == context.b',
        "(true || false)",
        "!(context.a && true)",
        "[1, 2].contains(3)",
        '{"a": true && false}.a',
        "(if true then false else true)",
        'context.b like "a*&&"',
        "context has a.b",
    ]
)
BODIES = st.lists(TERMS, min_size=1, max_size=5).map(" && ".join)


@given(st.lists(st.tuples(st.sampled_from(["when", "unless"]), BODIES), max_size=3))
def test_every_conjunct_by_itself_means_what_the_parser_took_it_for(
    parts: list[tuple[str, str]],
) -> None:
    statement = HEAD + " ".join(f" {kind} {{ {body} }}" for kind, body in parts) + ";"

    again = HEAD + "".join(
        f" {kind} {{ {text} }}" for spans in conditions(statement) for kind, text in spans
    )
    assert _conjuncts(statement) == _conjuncts(f"{again};")


def _conjuncts(statement: str) -> list[Any]:
    """All conditions, conjunctions at their top taken apart."""
    document = msgspec.json.decode(cedarpy.policies_to_json_str(statement))
    found = []
    for condition in document["staticPolicies"]["policy0"]["conditions"]:
        open_ones = [condition["body"]]
        while open_ones:
            one = open_ones.pop()
            if condition["kind"] == "when" and one.keys() == {"&&"}:
                open_ones += [one["&&"]["right"], one["&&"]["left"]]
            else:
                found.append((condition["kind"], one))
    return found
