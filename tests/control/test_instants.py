from __future__ import annotations

import pytest

from callgate.control.instants import read_instant


@pytest.mark.parametrize(
    "text", ["1985-10-26T01:22-07:00", "1985-10-26T08:22:00Z", "19851026T082200+0000"]
)
def test_an_instant_has_an_offset(text: str) -> None:
    assert read_instant(text) == 499_162_920.0


@pytest.mark.parametrize("text", ["", "noon", "1985-10-26", "1985-10-26T08:22:00", "499162920"])
def test_what_could_be_read_in_two_ways_is_none(text: str) -> None:
    assert read_instant(text) is None
