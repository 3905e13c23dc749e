"""Complaints that repeat themselves."""

from __future__ import annotations

import logging

from callgate.telemetry.seldom import EVERY_SECONDS, Seldom


def a_line(text: str, at: float, *values: object) -> logging.LogRecord:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, text, values, None)
    record.created = at
    return record


def test_a_complaint_is_heard_once_a_minute_whatever_its_values() -> None:
    seldom = Seldom()

    heard = [
        at for at in range(0, 200, 10) if seldom.filter(a_line("lost %d spans", 1000.0 + at, at))
    ]

    assert heard == [0, 60, 120, 180]


def test_another_complaint_is_heard_at_once() -> None:
    seldom = Seldom()

    assert seldom.filter(a_line("one", 1000.0))
    assert seldom.filter(a_line("other", 1000.0))
    assert not seldom.filter(a_line("one", 1000.0 + EVERY_SECONDS - 1))


def test_what_two_threads_complain_of_at_a_time_is_one_complaint() -> None:
    seldom = Seldom()

    assert seldom.filter(a_line("one", 1000.001))
    assert not seldom.filter(a_line("one", 1000.0))  # written first, and comes second


def test_a_clock_that_was_set_back_does_not_silence_it() -> None:
    seldom = Seldom()

    assert seldom.filter(a_line("one", 1000.0))
    assert seldom.filter(a_line("one", 500.0))
