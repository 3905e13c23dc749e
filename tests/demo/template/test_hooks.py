"""The demo's hook: what it changes, and what it leaves alone."""

from callgate.demo.template.hooks import cap_history
from callgate.interceptors import Decision, Request
from callgate.model import Json, Principal, Tool


def a_request(**arguments: Json) -> Request:
    return Request(
        call_id="c1",
        principal=Principal(id="ida", issuer="callgate", kind="api_key"),
        tool=Tool(target="git", name="git_log", definition={}, digest="0" * 64),
        arguments=arguments,
        enriched={},
        meta={},
    )


def test_a_long_history_is_cut_short_and_the_note_says_so() -> None:
    decision = cap_history(a_request(repo_path="handbook", max_count=500))

    assert decision == Decision(
        arguments={"repo_path": "handbook", "max_count": 3}, note="max_count 500 -> 3"
    )


def test_the_tools_own_default_is_capped_too() -> None:
    decision = cap_history(a_request(repo_path="handbook"))

    assert decision is not None and decision.arguments == {"repo_path": "handbook", "max_count": 3}


def test_a_short_history_is_left_alone() -> None:
    assert cap_history(a_request(repo_path="handbook", max_count=3)) is None
