"""Laying out changes how policies look, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.layout import laid_out
from callgate.policy.source import PolicyError, read_policies

ROOT = Path(__file__).parents[2]
FILES = [*ROOT.glob("examples/**/*.cedar"), *ROOT.glob("src/callgate/demo/**/*.cedar")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_policies_of_the_examples_mean_the_same_and_stay_as_they_are(file: Path) -> None:
    text = file.read_text()
    found = laid_out(file.name, text)

    digests = [[one.digest for one in read_policies([("f", each)])] for each in (text, found)]
    assert digests[0] == digests[1]
    assert laid_out(file.name, found) == found


def test_comments_stay_where_they_were() -> None:
    text = '// first\n@id("a") permit(principal,action,resource) when{ // why\n true }; // last\n'

    assert laid_out("f", text) == (
        '// first\n@id("a")\npermit (principal, action, resource)\nwhen\n{ // why\n  true\n}; // last\n'
    )


def test_what_is_no_cedar_is_left_alone() -> None:
    with pytest.raises(PolicyError, match="f:1:9"):
        laid_out("f", "permit (;")


@pytest.mark.parametrize("text", ["", "\n\n", "// nothing yet\n"])
def test_a_file_without_policies_can_be_laid_out(text: str) -> None:
    assert laid_out("f", text) == text.strip("\n") + ("\n" if text.strip() else "")


COMMENTS = st.sampled_from(["", " ", "\n", "// c\n", '// "q"\n', "\n\n// d\n"])


@given(st.lists(COMMENTS, min_size=6, max_size=6))
def test_wherever_comments_stand_they_are_kept_or_the_text_is_left_alone(gaps: list[str]) -> None:
    parts = [
        '@id("a")',
        "permit(",
        "principal, action,",
        "resource)",
        'when { "// x" == "y" }',
        ";",
    ]
    text = "".join(gap + part for gap, part in zip(gaps, parts, strict=True)) + "\n"
    try:
        found = laid_out("f", text)
    except PolicyError as error:
        assert "left alone" in error.problem
        return
    assert text.count("//") == found.count("//")
    assert laid_out("f", found) == found
