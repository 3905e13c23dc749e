"""What every PolicyVersions promises, asked of the fake and of the real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.policy.versions import EMPTY
from callgate.ports import ConflictError, PolicyVersions
from callgate.storage.sqlite_file import open_to_write
from callgate.storage.settings import StoreSettings
from callgate.storage.versions import SqlitePolicyVersions
from fakes.versions import FakePolicyVersions, a_version

Make = Callable[[], PolicyVersions]


@pytest.fixture(params=["fake", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """A new store each time."""
    if request.param == "fake":
        return FakePolicyVersions
    files = iter(range(1000))

    def made() -> PolicyVersions:
        place = StoreSettings(path=tmp_path / f"{next(files)}.db")
        open_to_write(place, may_create=True).close()
        return SqlitePolicyVersions(place)

    return made


def test_a_new_store_holds_nothing(make: Make) -> None:
    store = make()

    assert (store.newest(), store.newest_number(), store.get(0)) == (EMPTY, 0, EMPTY)
    assert (store.get(1), list(store.infos(10))) == (None, [])


def test_every_version_stays_as_it_was(make: Make) -> None:
    store = make()
    kept = [
        a_version(1, a="one", b="two"),
        a_version(2, "bob", a="one", b="2", c="three"),
        a_version(3, c="three"),
        a_version(4),
        a_version(5, a="one", b="two"),
    ]
    for version in kept:
        store.add(version)

    assert [store.get(number) for number in range(1, 6)] == kept
    assert (store.newest(), store.newest_number()) == (kept[-1], 5)
    assert list(store.infos(2)) == [kept[4].info, kept[3].info]


@pytest.mark.parametrize("number", [1, 3, 4])
def test_only_the_next_version_can_be_added(make: Make, number: int) -> None:
    store = make()
    store.add(a_version(1, a="one"))
    with pytest.raises(ConflictError) as raised:
        store.add(a_version(number, a="two"))

    assert raised.value.newest == 1
    assert store.newest() == a_version(1, a="one")


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), st.text(max_size=5)), max_size=6))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_kept_is_given_back(make: Make, sets: list[dict[str, str]]) -> None:
    store = make()
    kept = [a_version(number, **policies) for number, policies in enumerate(sets, 1)]
    for version in kept:
        store.add(version)

    assert [store.get(number + 1) for number in range(len(sets))] == kept
