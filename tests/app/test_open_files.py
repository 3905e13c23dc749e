"""A gateway may open as many files as it is allowed to."""

from __future__ import annotations

import resource
import sys

import pytest

from callgate.app import open_files

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit")
ENDLESS = resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((1024, 4096), (4096, 4096)),
        ((1024, 1 << 20), (open_files.MOST, 1 << 20)),
        ((1024, ENDLESS), (open_files.MOST, ENDLESS)),
        ((1 << 17, 1 << 20), None),
        ((ENDLESS, ENDLESS), None),
        ((512, 512), None),
    ],
)
def test_the_limit_is_raised_and_never_lowered(
    before: tuple[int, int], after: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_set: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: before)
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: was_set.append(limits))

    open_files.raise_limit()

    assert was_set == ([] if after is None else [after])


def test_a_system_that_forbids_it_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(*_: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (10, 20))
    monkeypatch.setattr(resource, "setrlimit", forbid)
    open_files.raise_limit()
