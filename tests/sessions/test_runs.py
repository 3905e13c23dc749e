"""Which calls are one run."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.model import Call
from callgate.sessions.runs import GAP_SECONDS, Runs, run_of_session, run_of_trace
from fakes.calls import a_call, a_principal

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
ADA = a_principal("ada")


def at(seconds: float, **more: Any) -> Call:
    settings: dict[str, Any] = {"principal": ADA, "id": f"c{seconds}", **more}
    return a_call(received_at=1_790_000_000.0 + seconds, **settings)


def test_calls_of_one_session_are_one_run_in_every_process() -> None:
    first, second = (
        Runs().of(at(0, session_id="s1")),
        Runs().of(at(9 * GAP_SECONDS, session_id="s1")),
    )

    assert first == second == run_of_session(ADA.key, "s1")
    assert first is not None and len(first) == 29 and first[0] == "r"
    assert Runs().of(at(0, session_id="s2")) != first


def test_calls_of_one_trace_are_one_run_in_every_process() -> None:
    first = Runs().of(at(0, meta={"traceparent": PARENT}))
    other_span = PARENT.replace("00f067aa0ba902b7", "00f067aa0ba902b8")

    assert first == Runs().of(at(9 * GAP_SECONDS, meta={"traceparent": other_span}))
    assert first == run_of_trace(ADA.key, PARENT)


def test_the_session_counts_more_than_the_trace() -> None:
    found = Runs().of(at(0, session_id="s1", meta={"traceparent": PARENT}))

    assert found == run_of_session(ADA.key, "s1")


def test_a_trace_that_telemetry_began_joins_nothing() -> None:
    runs = Runs()
    calls = [
        at(
            seconds,
            meta={"traceparent": PARENT.replace("4bf9", f"4bf{seconds}")},
            sent_traceparent="",
        )
        for seconds in (0, 1)
    ]

    assert runs.of(calls[0]) == runs.of(calls[1])
    assert runs.of(calls[0]) != run_of_trace(ADA.key, PARENT)


def test_the_trace_that_the_client_sent_counts_where_telemetry_sends_another_on() -> None:
    ours = PARENT.replace("00f067aa0ba902b7", "1111111111111111")
    found = Runs().of(at(0, meta={"traceparent": ours}, sent_traceparent=PARENT))

    assert found == run_of_trace(ADA.key, PARENT)


@pytest.mark.parametrize(
    "parent",
    [
        None, 7, "", "00", PARENT.upper(), "ff" + PARENT[2:], PARENT.replace(TRACE, "0" * 32),
        PARENT[:-1], PARENT + "\n", {"a": 1},
    ],
)  # fmt: skip
def test_what_is_no_trace_joins_nothing(parent: object) -> None:
    assert run_of_trace(ADA.key, parent) is None


def test_calls_without_either_are_one_run_until_a_pause() -> None:
    runs = Runs()
    found = [
        runs.of(at(seconds)) for seconds in (0, GAP_SECONDS, 2 * GAP_SECONDS, 3 * GAP_SECONDS + 1)
    ]

    assert found[0] == found[1] == found[2] != found[3]


def test_calls_in_sessions_do_not_lengthen_the_run_beside_them() -> None:
    runs = Runs()
    first = runs.of(at(0))
    runs.of(at(GAP_SECONDS - 1, session_id="s1"))

    assert runs.of(at(GAP_SECONDS + 1)) != first


def test_a_clock_that_is_set_back_ends_no_run() -> None:
    runs = Runs()
    first = runs.of(at(GAP_SECONDS))

    assert runs.of(at(-9 * GAP_SECONDS)) == first
    assert runs.of(at(2 * GAP_SECONDS)) == first


def test_nobody_elses_calls_are_in_a_run() -> None:
    runs = Runs()
    others = [
        a_principal("eve"), a_principal("ada", agent="helper"), a_principal("ada", tenant="t"),
        a_principal("ada", issuer="https://other"), a_principal("ada", kind="api_key"),
    ]  # fmt: skip
    for more in ({}, {"session_id": "s1"}, {"meta": {"traceparent": PARENT}}):
        found = {runs.of(at(0, principal=one, id=one.key, **more)) for one in (ADA, *others)}
        assert len(found) == 6


def test_a_call_of_nobody_is_in_no_run() -> None:
    assert Runs().of(at(0, principal=None, session_id="s1")) is None


def test_a_run_goes_on_after_a_restart() -> None:
    before, after = Runs(), Runs()
    run = before.of(at(0))
    assert run is not None
    after.resume(ADA.key, "r-older", at(-5).received_at)
    after.resume(ADA.key, run, at(0).received_at)
    after.resume(ADA.key, "r-older", at(-5).received_at)

    assert after.of(at(GAP_SECONDS)) == run


def test_memory_is_bounded_and_forgets_who_was_away_longest() -> None:
    runs = Runs(most=2)
    ada, eve, bob = (a_principal(name) for name in ("ada", "eve", "bob"))
    first = [runs.of(at(0, principal=one)) for one in (ada, eve)]
    again = runs.of(at(1, principal=ada))
    runs.of(at(2, principal=bob))

    assert again == first[0] == runs.of(at(3, principal=ada))
    assert runs.of(at(4, principal=eve)) != first[1]


def test_half_a_character_in_the_name_of_a_session_is_no_fault() -> None:
    assert Runs().of(at(0, session_id="\ud800")) is not None
