"""Pages lead through all results once, for the request they were made for."""

from __future__ import annotations

from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.control.authzen.paging import MOST_RESULTS, paged
from callgate.control.authzen.reading import Page, Unclear

BODY = {"subject": {"type": "user"}, "action": {"name": "read"}}


@given(st.integers(0, 30), st.integers(1, 9), st.booleans())
def test_pages_joined_are_the_results(number: int, limit: int, is_repeated: bool) -> None:
    results = list(range(number))
    joined: list[int] = []
    page = Page(limit=limit)
    while True:
        answer = paged(results, page, BODY)
        joined += answer["results"]
        assert answer["page"]["count"] == len(answer["results"]) <= limit
        assert answer["page"]["total"] == number
        if not answer["page"]["next_token"]:
            break
        page = Page(token=answer["page"]["next_token"], limit=limit if is_repeated else None)

    assert joined == results


def test_a_page_has_a_limit_where_none_is_asked_for() -> None:
    results = list(range(MOST_RESULTS + 1))

    for asked in (None, MOST_RESULTS, MOST_RESULTS + 1, 10**15):
        answer = paged(results, Page(limit=asked), BODY)
        assert (answer["page"]["count"], bool(answer["page"]["next_token"])) == (1000, True)


def test_a_page_of_nothing_says_how_many_there_are() -> None:
    answer = paged([1, 2], Page(limit=0), BODY)

    assert answer["results"] == []
    assert (answer["page"]["count"], answer["page"]["total"]) == (0, 2)


def test_a_token_holds_for_its_own_request_only() -> None:
    token = paged([1, 2], Page(limit=1), BODY)["page"]["next_token"]

    assert paged([1, 2], Page(token=token), {**BODY, "more": 1})["results"] == [2]
    for body in ({**BODY, "context": {}}, {"subject": BODY["subject"]}, {}):
        with pytest.raises(Unclear, match="of another request"):
            paged([1, 2], Page(token=token), body)
    with pytest.raises(Unclear, match="of another request"):
        paged([1, 2], Page(token=token, limit=2), BODY)


@pytest.mark.parametrize(
    "token",
    ["x", "é", "====", urlsafe_b64encode(b"[1,2]").decode(), urlsafe_b64encode(b"\xff").decode(),
     urlsafe_b64encode(b'[-1,1,"a"]').decode(), urlsafe_b64encode(b'[0,1001,"a"]').decode()],
)  # fmt: skip
def test_a_token_that_was_made_up_is_refused(token: str) -> None:
    with pytest.raises(Unclear, match="not one that this gateway made"):
        paged([1, 2], Page(token=token), BODY)


@given(st.text())
def test_no_token_is_more_than_refused(token: str) -> None:
    try:
        paged([1, 2], Page(token=token), BODY)
    except Unclear:
        return
    assert token == ""
