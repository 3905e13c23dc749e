"""What was freed goes back to the system."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from callgate.app.memory import give_back

PIECES, PIECE_BYTES = 30_000, 2_000  # too large for Python's own heap, too small to be mapped each


@pytest.mark.skipif(sys.platform != "linux", reason="how much is held is asked of Linux")
def test_what_lies_free_below_what_is_used_is_given_back() -> None:
    pieces = [bytes(PIECE_BYTES) for _ in range(PIECES)]
    last = pieces[-1]
    pieces.clear()
    held = held_bytes()

    give_back()

    assert held_bytes() < held - PIECES * PIECE_BYTES // 2
    assert len(last) == PIECE_BYTES


def held_bytes() -> int:
    found = re.search(
        r"^Anonymous: +([0-9]+) kB$", Path("/proc/self/smaps_rollup").read_text(), re.M
    )
    assert found is not None
    return int(found[1]) * 1024
