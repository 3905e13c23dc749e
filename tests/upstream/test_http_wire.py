"""An attempt knows whose it is and whether it was sent; a bare status has one meaning."""

from __future__ import annotations

import pytest

from callgate.model import NOTHING, Ran
from callgate.protocol.outbound import Message
from callgate.upstream.faults import Faults
from callgate.upstream.http_client import HttpClient
from callgate.upstream.http_exchange import Answer
from callgate.upstream.http_wire import Attempt, Wire, answer_of
from callgate.upstream.session import Changes
from callgate.upstream.tasks import Tasks
from fakes.http_calls import a_request, an_offer


def a_wire() -> Wire:
    client = HttpClient("http://127.0.0.1:1/mcp", [], 1.0)
    return Wire(client, Faults("shop"), Tasks(), Changes(), 1024)


def test_an_attempt_is_for_the_client_of_its_request_or_for_the_gateway() -> None:
    offer = an_offer("roots")
    attempt = Attempt(1, a_request(session_key="ada", offer=offer))
    assert (attempt.session_key, attempt.offer) == ("ada", offer)
    assert (Attempt(1).session_key, Attempt(1).offer) == ("", NOTHING)
    assert Attempt(1, offer=offer).offer is offer


def test_an_attempt_was_sent_once_its_exchange_was() -> None:
    attempt = Attempt(1)
    assert not attempt.is_sent
    attempt.exchange = a_wire().client.request("POST")
    assert not attempt.is_sent
    attempt.exchange.is_sent = True
    assert attempt.is_sent


def test_no_two_requests_have_the_same_id() -> None:
    wire = a_wire()
    assert len({wire.next_id() for _ in range(100)}) == 100


def test_an_error_counts_only_where_it_answers_this_request() -> None:
    mine, other = Message(id=7), Message(id=8)
    assert answer_of(Answer(status=200, message=mine), Attempt(7)) is mine
    assert answer_of(Answer(status=400, message=mine), Attempt(7)) is mine
    assert answer_of(Answer(status=400, message=other), Attempt(7)) is None
    assert answer_of(Answer(status=400), Attempt(7)) is None


@pytest.mark.parametrize(
    ("status", "code", "ran"),
    [
        (401, "target_unavailable", Ran.NO),
        (307, "target_unavailable", Ran.NO),
        (400, "target_protocol_error", Ran.NO),
        (500, "target_protocol_error", Ran.UNKNOWN),
        (202, "target_protocol_error", Ran.UNKNOWN),
    ],
)
def test_a_bare_status_says_what_is_known(status: int, code: str, ran: Ran) -> None:
    error = a_wire().turned_down(Answer(status=status))
    assert (error.code, error.ran) == (code, ran)
