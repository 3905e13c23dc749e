"""Threads beside the loop stand back, and only they do."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import pytest

from callgate.scheduling import stand_back, standing_back

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sched(7) is Linux's")


def policy_of_a_thread(first: Callable[[], object] = lambda: None) -> int:
    found: list[int] = []

    def look() -> None:
        first()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    return found[0]


def test_a_thread_that_stands_back_leaves_others_as_they_are() -> None:
    before = os.sched_getscheduler(0)
    assert policy_of_a_thread(stand_back) == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == before
    assert policy_of_a_thread() == before


def test_threads_started_meanwhile_stand_back_and_who_starts_them_does_not_stay_so() -> None:
    before = os.sched_getscheduler(0)
    with standing_back():
        assert policy_of_a_thread() == os.SCHED_BATCH
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("chosen", ["SCHED_BATCH", "SCHED_IDLE", "SCHED_FIFO"])
def test_what_the_operator_chose_is_left(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("changed")

    monkeypatch.setattr(os, "sched_getscheduler", lambda _: getattr(os, chosen))
    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    assert not stand_back()
    with standing_back():
        pass


def test_a_system_that_forbids_it_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setscheduler", forbid)
    assert not stand_back()
    with standing_back():
        pass
