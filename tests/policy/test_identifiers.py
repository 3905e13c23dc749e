"""An id is plain whatever was wanted, and never given twice."""

import re

from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.identifiers import MAX_ID_CHARACTERS, fresh_id


def test_what_was_wanted_can_be_recognised() -> None:
    assert fresh_id("Zürich: Refunds > 100", ()) == "zurich-refunds-100"
    assert fresh_id("a", {"a", "a-2"}) == "a-3"
    assert fresh_id("…", ()) == "draft"


@given(st.text(), st.sets(st.text(max_size=5)))
def test_an_id_is_plain_short_and_new(wanted: str, taken: set[str]) -> None:
    found = fresh_id(wanted, taken)

    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", found)
    assert len(found) <= MAX_ID_CHARACTERS + 4
    assert found not in taken
