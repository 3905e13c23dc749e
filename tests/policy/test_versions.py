"""Versions of the policies in the store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.source import read_policies
from callgate.policy.versions import Change, Named, difference, digest_of, named, problem_of_id

TEXT = "permit(principal, action, resource);"
SETS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from(["one", "two\nlines"]))


def test_a_difference_says_what_came_went_and_changed() -> None:
    old = {"a": "one\ntwo", "b": "same", "c": "gone"}
    new = {"a": "one\n2", "b": "same", "d": "came"}

    assert difference(old, new) == Change(
        added=("d",),
        removed=("c",),
        changed=("a",),
        text="--- a/a\n+++ b/a\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
        "--- a/c\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n"
        "--- /dev/null\n+++ b/d\n@@ -0,0 +1 @@\n+came\n",
    )


@given(SETS, SETS)
def test_there_is_a_difference_exactly_where_digests_differ(
    old: dict[str, str], new: dict[str, str]
) -> None:
    change = difference(old, new)

    assert change.is_empty == (old == new) == (digest_of(old) == digest_of(new))
    assert (change.text == "") == change.is_empty


@pytest.mark.parametrize("identifier", ["a", "refunds", "team:refunds.v2", "9", "a@b", "A" * 128])
def test_ids_that_fit_into_a_path_are_fine(identifier: str) -> None:
    assert problem_of_id(identifier) is None


@pytest.mark.parametrize(
    "identifier", ["", "-a", "a b", "a/b", "é", "A" * 129, "versions", "promote"]
)
def test_other_ids_are_not(identifier: str) -> None:
    assert problem_of_id(identifier) is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (TEXT, Named(text=f'@id("x")\n{TEXT}', further_lines=1)),
        (f"// c\n{TEXT}", Named(text=f'@id("x")\n// c\n{TEXT}', further_lines=1)),
        (f'@id("x") {TEXT}', Named(text=f'@id("x") {TEXT}')),
    ],
)
def test_a_text_gets_its_id_where_it_has_none(text: str, expected: Named) -> None:
    assert named("x", text, read_policies([("p", text)])) == expected
    (policy,) = read_policies([("p", expected.text)])
    assert policy.id == "x"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (TEXT * 2, "must be one policy, not 2"),
        ("// nothing", "must be one policy, not 0"),
        (f'@id("y") {TEXT}', "its @id is \"y\", the request names 'x'; make them equal"),
    ],
)
def test_a_text_that_is_not_this_one_policy_is_refused(text: str, problem: str) -> None:
    assert named("x", text, read_policies([("p", text)])).problem == problem
