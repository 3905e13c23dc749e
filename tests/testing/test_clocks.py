"""A clock of a test moves when the test says so."""

from datetime import UTC, datetime, timedelta, timezone

from callgate.testing import StillClock

NOON = 1_790_856_000.0


def test_it_stands_where_it_is_put_and_moves_when_it_is_moved() -> None:
    clock = StillClock()
    ticks = clock.ticks()

    assert clock.now() == NOON
    clock.advance(1.5)
    assert (clock.now(), clock.ticks()) == (NOON + 1.5, ticks + 1.5)


def test_an_instant_without_a_zone_is_utc() -> None:
    berlin = timezone(timedelta(hours=2))

    assert StillClock("2026-10-01T12:00").now() == NOON
    assert StillClock("2026-10-01T14:00+02:00").now() == NOON
    assert StillClock(datetime(2026, 10, 1, 14, tzinfo=berlin)).now() == NOON
    assert StillClock(datetime(2026, 10, 1, 12, tzinfo=UTC)).now() == NOON
