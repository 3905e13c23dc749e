"""Policy texts are read into what the index and the engine need; hostile texts are refused."""

import pytest

from callgate.policy.preview import parsed
from callgate.policy.source import PolicyError, Scope, read_policies, version_of

ACTION = "Callgate::Action"


def chains(condition: str) -> set[tuple[str, ...]]:
    (policy,) = read_policies(
        [("p", f"permit(principal, action, resource) when {{ {condition} }};")]
    )
    return set(policy.chains)


def test_ids_come_from_annotations_or_from_file_and_position() -> None:
    text = '@id("a") permit(principal, action, resource); forbid(principal, action, resource);'

    policies = read_policies([("p.cedar", text)])

    assert [(p.id, p.effect) for p in policies] == [("a", "permit"), ("p.cedar#2", "forbid")]


def test_the_same_id_twice_is_an_error_that_names_both_files() -> None:
    text = '@id("a") permit(principal, action, resource);'

    with pytest.raises(PolicyError, match=r'two:1:1: the id "a" is used in one:1 already'):
        read_policies([("one", text), ("two", text)])


def test_scopes_are_read_exactly() -> None:
    text = (
        'permit(principal is Callgate::OAuthUser in Callgate::Group::"g", '
        f'action in [{ACTION}::"a", {ACTION}::"b"], resource == Callgate::Gateway::"main");'
    )

    (policy,) = read_policies([("p", text)])

    assert policy.principal == Scope(
        op="is", uids=(("Callgate::Group", "g"),), entity_type="Callgate::OAuthUser"
    )
    assert policy.action == Scope(op="in", uids=((ACTION, "a"), (ACTION, "b")))
    assert policy.resource == Scope(op="==", uids=(("Callgate::Gateway", "main"),))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("context.input.a > 1", {("input", "a")}),
        ('context["input"]["a-b"].c == 1', {("input", "a-b", "c")}),
        ("context.input has a.b", {("input", "a"), ("input", "a", "b")}),
        ('context == {"a": 1}', {()}),
        ("context.input == context.input", {("input",)}),
        (
            '{"Value": context.input.x, "Var": context.input.y}.Value == 1',
            {("input", "x"), ("input", "y")},
        ),
        ("(if principal has id then context else context).input.w", {()}),
        ("principal.hasTag(context.input.t)", {("input", "t")}),
        ("[context.input.q].contains(context.input.r)", {("input", "q"), ("input", "r")}),
        ('context.input.s like "*context.input.no*"', {("input", "s")}),
        ('context.input.d.lessThan(decimal("1.0"))', {("input", "d")}),
        ("!(-context.input.n > 2)", {("input", "n")}),
        ('principal has id && principal.id == "context"', set()),
    ],
)
def test_every_way_to_read_the_context_is_seen(
    condition: str, expected: set[tuple[str, ...]]
) -> None:
    assert chains(condition) == expected


@pytest.mark.parametrize("opening", ["(", "!(", "{a:", "[", "if true then ("])
def test_hostile_nesting_is_refused_before_the_parser_sees_it(opening: str) -> None:
    text = "permit(principal, action, resource) when { " + opening * 5000

    with pytest.raises(PolicyError, match=r"p:1:.*nested deeper"):
        read_policies([("p", text)])


def test_long_chains_of_not_and_minus_are_refused_too() -> None:
    for sign in "!-":
        with pytest.raises(PolicyError, match="nested deeper"):
            read_policies(
                [("p", f"permit(principal, action, resource) when {{ {sign * 5000}1 }};")]
            )


def test_brackets_in_strings_and_comments_do_not_count() -> None:
    text = f'// {"(" * 500}\n@reason("{"[" * 500}") permit(principal, action, resource);'

    assert len(read_policies([("p", text)])) == 1


def test_text_that_is_not_cedar_and_templates_are_named() -> None:
    with pytest.raises(PolicyError, match=r"p:1:1: not valid Cedar"):
        read_policies([("p", "permit(principal, action);")])
    with pytest.raises(PolicyError, match="templates"):
        read_policies([("p", "permit(principal == ?principal, action, resource);")])


def test_the_version_changes_with_any_policy() -> None:
    one = read_policies([("p", "permit(principal, action, resource);")])
    two = read_policies([("p", "permit(principal, action, resource) when { true };")])

    assert version_of(one) == version_of(
        read_policies([("p", "permit(principal,action,resource);")])
    )
    assert version_of(one) != version_of(two)


@pytest.mark.parametrize("operator", ["&&", "||"])
@pytest.mark.parametrize("count", [60, 200, 240])
def test_rows_of_terms_are_read(operator: str, count: int) -> None:
    row = f" {operator} ".join(["context.input.x"] * count)

    assert read_policies([("p", f"permit(principal, action, resource) when {{ {row} }};")])


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        (" || ".join(['context.input.x == "a"'] * 1000), "terms in a row"),
        (" && ".join(['context.input.x == "a"'] * 1000), "terms in a row"),
        *((f"0 < {' + '.join(['context.input.n'] * n)}", "only rows") for n in (60, 200)),
        (f"0 < {' + '.join(['context.input.n'] * 1000)}", "terms in a row"),
        ("if context.input.x then true else " * 60 + "false", "only rows"),
        ("!(" * 80 + "context.input.x" + ")" * 80, "only rows"),
        *(("(context.input.x || " * n + "true" + ")" * n, "nested deeper") for n in (200, 1000)),
        *(("(context.input.n + " * n + "1" + ")" * n + " > 0", "nested") for n in (200, 1000)),
    ],
)
def test_what_cedar_cannot_take_is_refused_with_its_place_and_what_to_do(
    condition: str, problem: str
) -> None:
    text = f"\n  permit(principal, action, resource) when {{ {condition} }};"

    with pytest.raises(PolicyError, match=problem) as refused:
        read_policies([("p", text)])

    assert (refused.value.source, refused.value.line) == ("p", 2)
    assert refused.value.column is not None
    assert any(word in refused.value.problem for word in ("split", "simplify"))


@pytest.mark.parametrize(
    "deepest", ['A::"a"', '"a" like "b*c"', "[[1]].contains([2])", "{a: {b: 1}}.a"]
)
@pytest.mark.parametrize(
    "form", ["!({})", "[{}].isEmpty()", "{{a: {}}}.a", "(if {} then 1 else 2)"]
)
def test_what_is_read_has_a_handle(form: str, deepest: str) -> None:
    """At every depth: read with a handle of its own, or refused."""
    outcomes = set()
    body = deepest
    for _ in range(70):
        try:
            policies = read_policies(
                [("p", f"permit(principal, action, resource) when {{{body}}};")]
            )
            outcomes.add(len(parsed(policies)))
        except PolicyError:
            outcomes.add(0)
        body = form.format(body)

    assert outcomes == {0, 1}
