"""As a process of its own it is tried in tests/storage/reading/test_keeping.py."""

from __future__ import annotations

from callgate.ports import StoreError
from callgate.storage.index.process import AT_ONCE, work


def test_work_goes_on_until_nothing_is_left_and_says_how_much_it_was() -> None:
    left = [2, AT_ONCE]
    assert work(lambda most: min(most, left.pop()) if left else 0) == f"done {AT_ONCE + 2}"


def test_what_went_wrong_is_said() -> None:
    def fail(most: int) -> int:
        raise StoreError("it cannot be read")

    assert work(fail) == "it cannot be read"
