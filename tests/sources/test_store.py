"""Policies in the store, as any source gives them."""

from __future__ import annotations

from callgate.policy.versions import EMPTY, Version
from callgate.sources.sourced import Sourced
from callgate.sources.store import sourced


def test_each_policy_is_a_text_of_its_own_in_one_order() -> None:
    version = Version(info=EMPTY.info, policies={"b": "two", "a": "one"})

    assert sourced(version) == (
        Sourced(name="store:a", text="one", kind="store", place="a"),
        Sourced(name="store:b", text="two", kind="store", place="b"),
    )
    assert sourced(EMPTY) == ()
