"""Points in time on the command line."""

from __future__ import annotations

from typing import Any

import click
import pytest

from callgate.cli.instants import At, Instant

NOW = 1_790_000_000.0


def test_instants_may_be_written_in_several_ways() -> None:
    def instant(value: Any) -> float:
        return Instant().convert(value, None, None)

    assert instant("2026-09-21") == NOW - 14 * 3600 - 13 * 60 - 20
    assert instant("2026-09-21T14:13:20") == NOW
    assert instant("2026-09-21T16:13:20+02:00") == NOW
    assert instant("2h") - instant("1d") == pytest.approx(22 * 3600, abs=5)
    assert instant("1.5m") - instant("90s") == pytest.approx(0, abs=5)
    with pytest.raises(click.BadParameter, match="neither like 90s"):
        instant("yesterday")
    with pytest.raises(click.BadParameter, match="neither like 90s"):
        instant("99999999999999d")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-02", 86400.0), ("1970-01-01T01:00+01:00", 0.0), ("1970-01-01T00:00:01Z", 1.0)],
)
def test_an_instant_is_in_utc_where_it_says_no_zone(text: str, seconds: float) -> None:
    assert At().convert(text, None, None) == seconds
    assert At().convert(seconds, None, None) == seconds


@pytest.mark.parametrize("text", ["noon", "2h", ""])
def test_what_is_no_instant_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no instant; write it like 2026"):
        At().convert(text, None, None)
