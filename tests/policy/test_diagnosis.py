"""An error in a policy text says where it is, and what was probably meant."""

import pytest

from callgate.policy.diagnosis import excerpt
from callgate.policy.source import PolicyError, read_policies

HEAD = "permit(principal, action, resource)"


def error(text: str) -> PolicyError:
    with pytest.raises(PolicyError) as raised:
        read_policies([("f", text)])
    return raised.value


@pytest.mark.parametrize(
    ("text", "column", "said"),
    [
        (f"{HEAD} when {{ context.a <= }};", 57, "unexpected token `}`"),
        (f"{HEAD} when {{ contxt.x }};", 44, 'did you mean "context"?'),
        ("permit(principal, actoin, resource);", 19, 'did you mean "action"?'),
        (f"{HEAD} wen {{ true }};", 37, 'did you mean "when"?'),
        (f"{HEAD} when {{ context.s.contain(1) }};", 54, 'did you mean "contains"?'),
        (f"{HEAD} when {{ context.a = 5 }};", 54, "write `==` to compare"),
        (f"{HEAD} when {{ 99999999999999999999 > 1 }};", 44, "integers have 64 bits"),
        ('@id("a")@id("b") permit(principal, action, resource);', 9, "duplicate annotation"),
        (HEAD, 35, "a policy ends with `;`"),
        (f"{HEAD} when {{ a # b }};", 46, "invalid token"),
        (f"{HEAD};;", 37, "unexpected token `;`"),
        ("permit(principal, action, resource) when temporal {};", 42, "not part of Cedar"),
        (f"{HEAD} when {{ 1 < 2 < 3 }};", 1, "parentheses"),
        (f'@mode("x") {HEAD};', 1, '"active" or "shadow"'),
        (f'@id("a`b") {HEAD};', 1, "no backtick"),
    ],
)
def test_errors_have_a_place_and_a_suggestion(text: str, column: int, said: str) -> None:
    found = error(text)

    assert (found.line, found.column) == (1, column)
    assert said in found.problem


def test_a_later_statement_is_pointed_at_in_the_whole_file() -> None:
    found = error(f"{HEAD};\n// fine so far\n\n  {HEAD}\n    when {{ context.a <= }};\n")

    assert str(found) == (
        "f:5:25: not valid Cedar: unexpected token `}`\n"
        "5 |     when { context.a <= };\n"
        "  |                         ^"
    )


def test_a_long_line_is_shown_around_the_place() -> None:
    shown = excerpt("x" * 500 + "!" + "y" * 500, 500)

    line, caret = shown.splitlines()
    assert len(line) < 120 and line[caret.index("^")] == "!"


@pytest.mark.parametrize(
    "expression",
    ["||".join(["context.a"] * 900), "context" + ".a" * 900, "context" + '["a"]' * 900],
)
def test_what_the_evaluator_would_give_up_on_is_refused_before(expression: str) -> None:
    assert "terms in a row" in error(f"{HEAD} when {{ {expression} }};").problem


def test_a_huge_statement_is_still_refused_quickly_with_the_place_of_its_beginning() -> None:
    names = ", ".join(f'Callgate::Action::"{i}"' for i in range(5000))
    found = error(f"\npermit(principal, action in [{names}], resource) when {{ context.a <= }};")

    assert (found.line, found.column) == (2, 1)
