from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.ports import StoreError
from callgate.storage import postgres_schema
from callgate.storage.migrations.upgrade import upgrade
from callgate.storage.postgres import PostgresDatabase
from callgate.storage.schema import REVISION, metadata
from callgate.storage.settings import StoreSettings
from fakes.postgres import a_database, a_role, ask

TABLES = (
    "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
    " AND relkind = 'r'"
)


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


def create(url: str) -> None:
    PostgresDatabase(StoreSettings(url=url)).open_to_write(may_create=True).close()


def tables(url: str) -> set[str]:
    return {name for (name,) in ask(url, TABLES)}


def test_an_empty_database_gets_the_tables(url: str) -> None:
    create(url)
    create(url)

    assert tables(url) == {*metadata.tables, "alembic_version"}
    assert ask(url, "SELECT version_num FROM alembic_version") == [(REVISION,)]


SHAPE = (
    """SELECT table_name, ordinal_position, column_name, data_type, character_maximum_length,
              is_nullable, column_default, collation_name
       FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY 1, 2""",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1",
    """SELECT conname, conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE connamespace = current_schema()::regnamespace ORDER BY 1, 2""",
)


def test_an_empty_database_gets_what_the_migrations_lead_to(url: str) -> None:
    create(url)
    with a_database() as other:
        database = PostgresDatabase(StoreSettings(url=other))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                postgres_schema, "begin", lambda connection: upgrade(connection, None, "here")
            )
            database.open_to_write(may_create=True).close()

        for question in SHAPE:
            # On its way, the table was another one of the same name.
            assert repr(ask(url, question)) == repr(ask(other, question)).replace("pkey1", "pkey")


def test_of_many_that_start_at_once_one_makes_them(url: str) -> None:
    faults: list[StoreError] = []

    def start() -> None:
        try:
            create(url)
        except StoreError as error:
            faults.append(error)

    starting = [threading.Thread(target=start) for _ in range(6)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()

    assert faults == []
    assert tables(url) == {*metadata.tables, "alembic_version"}


def test_a_schema_of_its_own_beside_others_tables(url: str) -> None:
    ask(url, "CREATE TABLE minutes (text text)")
    ask(url, "CREATE SCHEMA gateway")

    create(f"{url}?options=-csearch_path%3Dgateway")

    assert tables(url) == {"minutes"}
    with closing(
        PostgresDatabase(
            StoreSettings(url=f"{url}?options=-csearch_path%3Dgateway")
        ).open_to_read().connect()
    ) as connection:  # fmt: skip
        assert connection.exec_driver_sql("SELECT count(*) FROM records").scalar() == 0


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ("CREATE TABLE minutes (text text)", "no record of Callgate"),
        ("CREATE TABLE alembic_version (version_num text)", "no record of Callgate"),
    ],
)
def test_a_database_of_something_else_is_left_alone(url: str, made: str, reason: str) -> None:
    ask(url, made)
    before = tables(url)

    with pytest.raises(StoreError, match=reason):
        create(url)
    with pytest.raises(StoreError, match=reason):
        PostgresDatabase(StoreSettings(url=url)).open_to_read()

    assert tables(url) == before


def test_a_record_of_a_newer_callgate_is_left_alone(url: str) -> None:
    create(url)
    ask(url, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StoreError, match="newer Callgate"):
        create(url)
    with pytest.raises(StoreError, match="has the schema 9999"):
        PostgresDatabase(StoreSettings(url=url)).open_to_read()


def test_there_is_nothing_to_read_before_there_is_a_record(url: str) -> None:
    with pytest.raises(StoreError, match="no record yet"):
        PostgresDatabase(StoreSettings(url=url)).open_to_read()


def test_a_record_that_went_away_is_not_begun_anew_behind_its_writer(url: str) -> None:
    with pytest.raises(StoreError, match="put it back"):
        PostgresDatabase(StoreSettings(url=url)).open_to_write(may_create=False)

    assert tables(url) == set()


def test_a_role_that_may_not_create_tables_is_told(url: str) -> None:
    with a_role(url) as of_role, pytest.raises(StoreError, match="permission denied"):
        create(of_role)


def test_a_role_that_owns_nothing_can_write_where_the_tables_are(url: str) -> None:
    create(url)
    with a_role(url) as of_role:
        name = of_role.partition("://")[2].partition("@")[0]
        ask(url, f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO {name}")
        create(of_role)
