import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.authoring.replies import (
    MAX_CASES,
    MAX_POLICY_CHARACTERS,
    MAX_REQUIREMENTS,
    Impossible,
    Proposed,
    ProposedCase,
    ProposedPrincipal,
    ReplyError,
    Requirement,
    read_cases,
    read_policy,
    read_requirements,
)

TEXT = "Only finance may refund more than 1000, and nobody deletes orders."
POLICY = {"id": "a", "policy": "permit (principal, action, resource);"}
CASE = {
    "name": "n",
    "principal": {"id": "ada", "groups": ["finance"]},
    "tool": "shop___refund",
    "arguments": {"amount": 1000},
    "expect": "permit",
}


def test_requirements_are_read() -> None:
    answer = {"requirements": [{"quote": "nobody deletes orders", "meaning": "No deletes."}]}

    assert read_requirements(json.dumps(answer), TEXT) == (
        Requirement(quote="nobody deletes orders", meaning="No deletes."),
    )


def test_a_quote_may_differ_in_case_spacing_and_marks() -> None:
    answer = {"requirements": [{"quote": "“Nobody\n deletes orders.”", "meaning": "No."}]}

    assert len(read_requirements(json.dumps(answer), TEXT)) == 1


def test_a_requirement_that_the_text_does_not_state_is_refused() -> None:
    answer = {"requirements": [{"quote": "admins may do anything", "meaning": "All."}]}

    with pytest.raises(ReplyError, match="these words are not in the text: 'admins may do any"):
        read_requirements(json.dumps(answer), TEXT)


def test_a_policy_is_read() -> None:
    full = {**POLICY, "explanation": "It permits.", "assumptions": ["All of it."]}

    assert read_policy(json.dumps(full)) == Proposed(
        id="a", policy=POLICY["policy"], explanation="It permits.", assumptions=("All of it.",)
    )
    assert read_policy('{"impossible": "no such tool"}') == Impossible(impossible="no such tool")


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps(POLICY),
        f"```json\n{json.dumps(POLICY)}\n```",
        f"Here it is:\n```\n{json.dumps(POLICY)}\n```\nEnjoy!",
        f'<think>Or {{"policy": 1}}?</think>\n{json.dumps(POLICY)}',
    ],
)
def test_what_models_put_around_their_answer_is_no_matter(answer: str) -> None:
    assert isinstance(read_policy(answer), Proposed)


def test_cases_are_read() -> None:
    answer = {"cases": [CASE, {**CASE, "time": "2027-01-31T09:00:00Z"}]}
    made = ProposedCase(
        name="n",
        principal=ProposedPrincipal(id="ada", groups=("finance",)),
        tool="shop___refund",
        arguments={"amount": 1000},
        expect="permit",
    )

    first, second = read_cases(json.dumps(answer))

    assert first == made
    assert second.time == datetime(2027, 1, 31, 9, tzinfo=UTC)


def cases(**more: Any) -> str:
    return json.dumps({"cases": [{**CASE, **more}]})


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("", "not a JSON object"),
        ("I am sorry, I cannot do that.", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"policy": "x", "id": "a"} {"policy": "y"}', "not JSON that can be used"),
        ('{"policy": "x", "policy": "y", "id": "a"}', "appears twice"),
        ('{"policy": "x", "id": "a', "not JSON that can be used"),
        ('{"a": ' * 100 + "1" + "}" * 100, "nested"),
        ('{"policy": NaN, "id": "a"}', "not JSON that can be used"),
        ('{"id": "a"}', '"policy" is a required property'),
        ('{"policy": 5, "id": "a"}', '/policy: 5 is not of type "string"'),
        ('{"policy": "x", "id": "a", "file": "/etc/passwd"}', "Additional properties"),
        (json.dumps({**POLICY, "policy": "x" * (MAX_POLICY_CHARACTERS + 1)}), "/policy: "),
        (json.dumps({**POLICY, "assumptions": ["x"] * 11}), "/assumptions: "),
        (json.dumps({**POLICY, "explanation": "a\u202eb"}), r"invisible characters \(U\+202E\)"),
        (json.dumps({**POLICY, "id": "a\x1b]0;b\x07"}), "invisible characters"),
        ('{"impossible": "x", "policy": "y"}', "Additional properties"),
    ],
)
def test_a_policy_that_cannot_be_used_is_told_why(answer: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        read_policy(answer)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ('{"cases": []}', "/cases: "),
        (json.dumps({"cases": [CASE] * (MAX_CASES + 1)}), "/cases: "),
        (cases(expect="error"), "/cases/0/expect: "),
        (cases(arguments=[]), "/cases/0/arguments: "),
        (cases(principal={"role": "x"}), "/cases/0/principal: Additional"),
        (cases(principal={"id": "a\u200bb"}), "invisible"),
        (cases(time="soon"), "a time is not as in"),
        (cases(time="2027-01-31T09:00:00"), "has no time zone"),
        (cases(extra=1), "/cases/0: Additional"),
    ],
)
def test_cases_that_cannot_be_used_are_told_why(answer: str, problem: str) -> None:
    with pytest.raises(ReplyError, match=problem):
        read_cases(answer)


def test_a_text_has_so_many_requirements_and_no_more() -> None:
    one = {"quote": "nobody", "meaning": "m"}
    answer = json.dumps({"requirements": [one] * (MAX_REQUIREMENTS + 1)})

    with pytest.raises(ReplyError, match="/requirements: "):
        read_requirements(answer, TEXT)


@given(st.text() | st.builds(json.dumps, st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["policy", "id", "impossible", "cases", "requirements", "x"]), inner
    ),
)))  # fmt: skip
def test_whatever_a_model_says_is_read_or_refused(answer: str) -> None:
    for read in (read_policy, read_cases, lambda text: read_requirements(text, TEXT)):
        try:
            read(answer)
        except ReplyError as error:
            assert str(error)
