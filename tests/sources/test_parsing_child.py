"""What the parser's own process answers."""

from __future__ import annotations

import io

import msgspec
import pytest

from callgate.policy.source import read_policies
from callgate.sources import parsing_child
from callgate.sources.framing import read_frame, write_frame
from callgate.sources.parsing_child import Asked, Reading, Told, serve

ONE = '@id("a") permit(principal, action, resource);\n'
TWO = '@id("b") forbid(principal, action, resource) when { context.input.amount > 5 };\n'


def told(reading: Reading, *texts: tuple[str, str], forgets: bool = False) -> list[Told]:
    messages = reading.answer(Asked(texts=texts, forgets=forgets))
    return [msgspec.json.decode(message, type=Told) for message in messages]


def test_a_policy_is_sent_once_and_then_by_its_key() -> None:
    reading = Reading()
    first = told(reading, ("p", ONE + TWO))
    again = told(reading, ("p", "\n" + ONE + TWO.replace("> 5", "> 6")))

    policies = read_policies([("p", ONE + TWO)])
    assert tuple(item.policy for item in first[1].items) == policies
    known, changed = again[1].items
    assert (known.key, known.policy, known.line) == (first[1].items[0].key, None, 2)
    assert changed.policy == read_policies([("p", "\n" + ONE + TWO.replace("> 5", "> 6"))])[1]
    assert first[-1] == again[-1] == Told()


def test_who_forgot_gets_everything_again() -> None:
    reading = Reading()
    first = told(reading, ("p", ONE))

    assert told(reading, ("p", ONE), forgets=True) == first


def test_large_sets_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing_child, "BATCH_BYTES", 1)
    text = "permit(principal, action, resource);" * 5

    sizes = [len(message.items) for message in told(Reading(), ("p", text))]

    assert sizes == [0, 1, 1, 1, 1, 1, 0]


def test_long_policies_are_announced_before_they_are_read() -> None:
    long = f'{ONE}forbid(principal, action, resource) when {{ context.a == "{"x" * 3000}" }};'

    places = [message.place for message in told(Reading(), ("p", long))]

    assert places == [None, (2, 1), None, None]


def test_after_an_error_nothing_counts_as_sent() -> None:
    reading = Reading()
    told(reading, ("p", ONE + "permit("))

    assert told(reading, ("p", ONE))[1].items[0].policy is not None


def test_an_error_is_sent_by_its_parts() -> None:
    problem = told(Reading(), ("p", ONE + "permit(principal, action);"))[-1].problem

    assert problem is not None
    assert (problem["source"], problem["line"]) == ("p", 2)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing_child, "MAX_REMEMBERED", 0)
    reading = Reading()

    assert told(reading, ("p", ONE))[1].items[0].key == told(reading, ("p", ONE))[1].items[0].key


def test_it_serves_until_the_other_side_ends() -> None:
    incoming, outgoing = io.BytesIO(), io.BytesIO()
    for _ in range(2):
        write_frame(incoming, msgspec.json.encode(Asked(texts=(("p", ONE),))))
    incoming.seek(0)

    serve(incoming, outgoing)

    outgoing.seek(0)
    messages = [msgspec.json.decode(read_frame(outgoing), type=Told) for _ in range(6)]
    assert [len(message.items) for message in messages] == [0, 1, 0, 0, 1, 0]
