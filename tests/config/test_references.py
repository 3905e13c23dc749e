from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.config.references import Resolved, escaped, resolve
from callgate.config.source import Node, read_yaml

ENVIRON = {"TOKEN": "s3cret-value", "EMPTY": "", "PORT": "8080", "NESTED": "${env:TOKEN}"}


def resolved(text: str, directory: Path = Path()) -> Resolved:
    return resolve(read_yaml(text, "c.yaml"), "c.yaml", directory, ENVIRON)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${env:TOKEN}", "s3cret-value"),
        ("Bearer ${env:TOKEN}", "Bearer s3cret-value"),
        ("${env:PORT}/${env:PORT}", "8080/8080"),
        ("$${env:TOKEN}", "${env:TOKEN}"),
        ("$${", "${"),
        ("$$${env:TOKEN}", "$${env:TOKEN}"),
        ("costs $5", "costs $5"),
        ("$TOKEN", "$TOKEN"),
        ("${env:NESTED}", "${env:TOKEN}"),  # a value is never looked into
    ],
)
def test_references_are_replaced_in_every_text(written: str, value: str) -> None:
    found = resolved(f"a:\n  - b: '{written}'")
    assert found.root.plain() == {"a": [{"b": value}]}
    assert found.problems == ()


def test_a_file_is_read_relative_to_the_configuration_without_its_last_newline(
    tmp_path: Path,
) -> None:
    (tmp_path / "token").write_text("first\nsecond\r\n")
    found = resolved("a: ${file:token}", tmp_path)
    assert found.root.plain() == {"a": "first\nsecond"}
    assert found.files == (tmp_path / "token",)


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("${env:NOPE}", "the environment variable NOPE is not set; set it"),
        ("${env:EMPTY}", "the environment variable EMPTY is empty; set it"),
        ("${file:nope}", "nope cannot be read (No such file or directory); create it"),
        ("${file:.}", ". cannot be read (Is a directory); create it"),
        ("${file:empty}", "empty is empty"),
        ("${file:binary}", "binary is not UTF-8 text"),
        ("${file:large}", "large is larger than 65536 bytes"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_problem_at_its_place(
    tmp_path: Path, written: str, problem: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "large").write_text("x" * 70_000)
    found = resolved(f"a:\n  b: {written}", tmp_path)
    assert [str(one) for one in found.problems] == [f"c.yaml:2:6: a.b: {problem}"]
    assert found.failed == (("a", "b"),)


@pytest.mark.parametrize(
    "written", ["${TOKEN}", "${env:}", "${env:A B}", "${file:}", "${x:y}", "${env:T"]
)
def test_what_only_looks_like_a_reference_is_a_problem_that_says_how_to_write_it(
    written: str,
) -> None:
    (problem,) = resolved(f"a: '{written}'").problems
    assert "is no reference; write ${env:NAME} or ${file:PATH}, or $${ for" in problem.message


def test_values_of_references_can_be_put_back() -> None:
    found = resolved("a: Bearer ${env:TOKEN}\nb: ${env:PORT}")
    assert found.redacted("GET /s3cret-value:8080") == "GET /${env:TOKEN}:${env:PORT}"


@given(st.text(alphabet="${}:envTOK a", max_size=20))
def test_an_escaped_text_comes_out_as_it_was(text: str) -> None:
    node = Node(value={"a": Node(value=escaped(text), line=1, column=1)}, line=1, column=1)
    found = resolve(node, "c.yaml", Path(), ENVIRON)
    assert found.problems == ()
    assert found.root.plain() == {"a": text}
