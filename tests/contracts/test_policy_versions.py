"""What every PolicyVersions promises, asked of the fake and of the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.policy.versions import EMPTY
from callgate.ports import ConflictError, PolicyVersions
from callgate.storage.databases import database_of
from callgate.storage.settings import StoreSettings
from callgate.storage.versions import StoredPolicyVersions
from fakes.postgres import a_database, ask
from fakes.versions import FakePolicyVersions, a_version

Make = Callable[[], PolicyVersions]


@pytest.fixture(params=["fake", "sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """A new store each time."""
    if request.param == "fake":
        yield FakePolicyVersions
    elif request.param == "sqlite":
        files = iter(range(1000))
        yield lambda: _stored(StoreSettings(path=tmp_path / f"{next(files)}.db"))
    else:
        with a_database() as url:
            yield lambda: _stored(StoreSettings(url=_emptied(url)))


def _stored(place: StoreSettings) -> PolicyVersions:
    database_of(place).open_to_write(may_create=True).close()
    return StoredPolicyVersions(place)


def _emptied(url: str) -> str:
    if ask(url, "SELECT to_regclass('records')") != [(None,)]:
        ask(url, "TRUNCATE policy_versions, policy_changes")
    return url


def test_a_new_store_holds_nothing(make: Make) -> None:
    store = make()

    assert (store.newest(), store.newest_number(), store.get(0)) == (EMPTY, 0, EMPTY)
    assert (store.get(1), list(store.infos(10))) == (None, [])


def test_a_store_that_is_there_has_begun(make: Make) -> None:
    assert make().has_begun()


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


TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=5)


@given(st.lists(st.dictionaries(st.sampled_from(["a", "b", "c"]), TEXTS), max_size=6))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_is_kept_is_given_back(make: Make, sets: list[dict[str, str]]) -> None:
    store = make()
    kept = [a_version(number, **policies) for number, policies in enumerate(sets, 1)]
    for version in kept:
        store.add(version)

    assert [store.get(number + 1) for number in range(len(sets))] == kept
