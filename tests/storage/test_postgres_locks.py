from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from callgate.storage.postgres_connection import BoundedConnection, driver, writing_engine
from callgate.storage.postgres_locks import claim, end_session, key_of
from callgate.storage.settings import StoreSettings
from fakes.cut_wire import CutWire
from fakes.postgres import a_database, ask, port_of, sessions, terminate, through


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def connect(stack: ExitStack, url: str) -> BoundedConnection:
    return driver(stack.enter_context(writing_engine(StoreSettings(url=url)).connect()))


def test_one_session_at_a_time_has_a_lock(url: str, stack: ExitStack) -> None:
    one, other = connect(stack, url), connect(stack, url)

    life = claim(one, "a")
    assert life is not None
    assert claim(other, "a") is None
    assert claim(other, "b") is not None

    life.end()
    assert claim(other, "a") is not None


def test_a_session_does_not_get_its_own_lock_twice(url: str, stack: ExitStack) -> None:
    one, other = connect(stack, url), connect(stack, url)

    life = claim(one, "a")
    assert life is not None
    assert claim(one, "a") is None
    life.end()
    again = claim(one, "a")
    assert again is not None
    again.end()

    assert claim(other, "a") is not None


def test_a_lock_ends_with_its_session(url: str, stack: ExitStack) -> None:
    one = connect(stack, url)
    life = claim(one, "a")
    assert life is not None
    terminate(url)

    assert claim(connect(stack, url), "a") is not None
    life.end()
    life.end()


def test_a_lock_outlasts_a_transaction_that_failed(url: str, stack: ExitStack) -> None:
    one, other = connect(stack, url), connect(stack, url)
    one.execute("BEGIN")
    assert claim(one, "a") is not None
    one.execute("ROLLBACK")

    assert claim(other, "a") is None


def test_stores_that_share_a_database_by_schema_do_not_share_locks(
    url: str, stack: ExitStack
) -> None:
    ask(url, "CREATE SCHEMA blue")
    one, other = connect(stack, url), connect(stack, f"{url}?options=-csearch_path%3Dblue")

    assert key_of(one, "a") != key_of(other, "a")
    assert claim(one, "a") is not None
    assert claim(other, "a") is not None


def test_a_session_that_was_lost_is_ended_with_its_locks(url: str, stack: ExitStack) -> None:
    wire = stack.enter_context(CutWire(port_of(url)))
    lost, other = connect(stack, through(url, wire.port)), connect(stack, url)
    assert claim(lost, "a") is not None
    wire.cut()
    assert lost.is_lost()
    assert claim(other, "a") is None

    end_session(other, lost)

    assert claim(other, "a") is not None
    assert sessions(url) == [other.session[0]]


def test_another_session_that_has_its_number_now_is_left_alone(url: str, stack: ExitStack) -> None:
    one, other = connect(stack, url), connect(stack, url)
    lost = connect(stack, url)
    lost.session = (other.session[0], "2020-01-01 00:00:00+00")

    end_session(one, lost)

    assert not other.is_lost()
