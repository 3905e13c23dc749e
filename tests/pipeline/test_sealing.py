import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.pipeline.sealing import Seal, digest_of

SEAL = Seal(Seal.new_key())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(JSON)
def test_what_was_sealed_opens_again_and_is_the_same_token_each_time(value: object) -> None:
    token = SEAL.close(value, "task", "ada")

    assert SEAL.open(token, "task", "ada") == value
    assert SEAL.close(value, "task", "ada") == token


@pytest.mark.parametrize(
    ("purpose", "principal"), [("state", "ada"), ("task", "bob"), ("task", "")]
)
def test_a_token_is_of_no_use_for_another_purpose_or_principal(
    purpose: str, principal: str
) -> None:
    token = SEAL.close({"x": 1}, "task", "ada")

    assert SEAL.open(token, purpose, principal) is None


def test_a_token_of_another_key_is_not_ours() -> None:
    assert Seal(Seal.new_key()).open(SEAL.close(1, "task", "ada"), "task", "ada") is None


@given(st.data())
def test_a_token_that_was_changed_anywhere_does_not_open(data: st.DataObject) -> None:
    token = SEAL.close(["shop", "t-1"], "task", "ada")
    at = data.draw(st.integers(0, len(token) - 1))
    changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]

    assert SEAL.open(changed, "task", "ada") is None


@given(st.text())
def test_any_text_is_refused_without_an_error(text: str) -> None:
    assert SEAL.open(text, "task", "ada") is None


def test_a_digest_tells_values_apart() -> None:
    assert digest_of("a", {"x": 1}) == digest_of("a", {"x": 1})
    assert digest_of("a", {"x": 1}) != digest_of("a", {"x": 2})


def test_the_same_secret_text_opens_what_another_replica_has_sealed() -> None:
    token = Seal.of_text("a secret that all replicas know of").close({"task": 7}, "task", "sam")
    other = Seal.of_text("a secret that all replicas know of")
    assert other.open(token, "task", "sam") == {"task": 7}
    assert Seal.of_text("another secret, as long as the first").open(token, "task", "sam") is None
