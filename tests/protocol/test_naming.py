from hypothesis import given
from hypothesis import strategies as st

from callgate.protocol.naming import prefix, shown_uri, split_uri

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)


@given(NAMES, st.text(min_size=1))
def test_a_shown_uri_leads_back_to_its_target(target: str, uri: str) -> None:
    assert split_uri(shown_uri(target, uri), [target]) == (target, uri)


@given(NAMES)
def test_a_prefix_is_the_start_of_a_legal_scheme(target: str) -> None:
    said = prefix(target)

    assert said[0].isalpha() and all(c.isalnum() or c in "+-." for c in said)
    assert said == said.lower()


def test_a_client_that_changes_the_case_of_the_scheme_is_understood() -> None:
    assert split_uri("GIT+file:///x", ["git"]) == ("git", "file:///x")


def test_a_plus_in_the_targets_own_scheme_is_its_own() -> None:
    assert split_uri("code+git+ssh://host/x", ["code", "git"]) == ("code", "git+ssh://host/x")


def test_what_names_no_target_leads_nowhere() -> None:
    assert split_uri("file:///x", ["git"]) is None
    assert split_uri("other+file:///x", ["git"]) is None
    assert split_uri("git+", ["git"]) is None
