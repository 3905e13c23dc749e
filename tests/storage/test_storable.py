from __future__ import annotations

import pytest
from msgspec.structs import replace

from callgate.storage.storable import unstorable
from fakes.store import an_intent, an_outcome

MOST = 100_000


@pytest.mark.parametrize(
    "entry",
    [
        replace(an_intent(), principal="\ud800"),
        replace(an_intent(), body=b"\xff"),
        replace(an_intent(), payload=b"\xff"),
        replace(an_intent(), call_id=None),
        replace(an_intent(), at="soon"),
        replace(an_intent(), tool=7),
        replace(an_intent(), body=b"x" * 60_000, payload=b"x" * 60_000),
    ],
)
def test_entry_that_no_database_could_hold_is_told_apart(entry: object) -> None:
    assert unstorable(entry, MOST) is not None  # type: ignore[arg-type] # that is the point


def test_entry_of_the_gateway_is_storable() -> None:
    assert unstorable(an_intent(), MOST) is None
    assert unstorable(an_outcome(code="not_permitted"), MOST) is None
