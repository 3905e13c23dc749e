from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, select
from sqlalchemy.exc import DBAPIError

from callgate.audit.record import Entry
from callgate.ports import StoreError
from callgate.storage import postgres_inserting
from callgate.storage.database import Row, TakenError
from callgate.storage.postgres import PostgresDatabase
from callgate.storage.postgres_connection import driver
from callgate.storage.postgres_inserting import COPY_FROM_ROWS, insert
from callgate.storage.schema import records
from callgate.storage.settings import StoreSettings
from fakes.postgres import a_database, ask, positions, rows

FEW, MANY = 3, COPY_FROM_ROWS + 3


@pytest.fixture
def url() -> Iterator[str]:
    with a_database() as made:
        yield made


@pytest.fixture
def connection(url: str) -> Iterator[Connection]:
    made = PostgresDatabase(StoreSettings(url=url)).open_to_write(may_create=True)
    yield made
    made.close()


def back(connection: Connection) -> list[Row]:
    """The rows as they are kept."""
    kept = connection.execute(select(records).order_by(records.c.position))
    return [
        Row(
            position=row.position,
            hash=row.hash,
            entry=Entry(
                body=row.body.encode(),
                payload=None if row.payload is None else row.payload.encode(),
                **{
                    name: value
                    for name, value in row._mapping.items()
                    if name not in ("position", "hash", "body", "payload")
                },
            ),
        )
        for row in kept
    ]


@pytest.mark.parametrize("number", [1, FEW, COPY_FROM_ROWS - 1, COPY_FROM_ROWS, 128])
def test_what_is_added_is_there_as_it_was(connection: Connection, number: int) -> None:
    full = {
        "run": "r" + "0" * 28,
        "principal": "https://idp.example|ада",
        "agent": "",
        "target": "shop",
        "tool": "re\tfund\n\\N",
        "code": "ok",
        "ran": "yes",
        "is_delivered": True,
        "payload": b'{"arguments":{"x":"\\u0000 \xf0\x9f\x98\x80"}}',
    }
    added = [*rows(0, number), *rows(1 << 62, number, **full)]

    insert(driver(connection), added[:number])
    insert(driver(connection), added[number:])
    insert(driver(connection), rows((1 << 62) + number, number, is_delivered=False))

    assert back(connection)[: 2 * number] == added
    assert [row.entry.is_delivered for row in back(connection)[2 * number :]] == [False] * number


@pytest.mark.parametrize("number", [FEW, MANY])
def test_a_place_that_is_taken_adds_nothing(connection: Connection, url: str, number: int) -> None:
    insert(driver(connection), rows(number - 1, 1))

    with pytest.raises(TakenError):
        insert(driver(connection), rows(0, number))
    insert(driver(connection), rows(number, number))

    assert positions(url) == list(range(number - 1, 2 * number))


@pytest.mark.parametrize("number", [FEW, MANY])
def test_a_row_that_cannot_be_kept_adds_nothing(
    connection: Connection, url: str, number: int
) -> None:
    with pytest.raises(psycopg.DataError):
        insert(driver(connection), [*rows(0, number), *rows(number, 1, tool="\0")])

    assert positions(url) == []


@pytest.mark.parametrize("number", [FEW, MANY])
def test_in_a_transaction_it_is_part_of_it(connection: Connection, url: str, number: int) -> None:
    with pytest.raises(ZeroDivisionError), connection.begin():
        insert(driver(connection), rows(0, number))
        raise ZeroDivisionError
    assert positions(url) == []

    with connection.begin():
        insert(driver(connection), rows(0, number))
        assert positions(url) == []
    assert positions(url) == list(range(number))


def test_few_rows_with_much_in_them_go_in_pieces(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_inserting, "COPY_FROM_BYTES", 1000)
    added = rows(0, 2, payload=b'{"x":"%s"}' % (b"y" * 2_000_000))

    insert(driver(connection), added)

    assert back(connection) == added
    prepared = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'callgate%'"
    assert connection.exec_driver_sql(prepared.replace("%", "%%")).scalar() == 0


@pytest.mark.parametrize("number", [FEW, MANY])
def test_a_commit_that_the_server_warns_of_does_not_count(
    connection: Connection, url: str, number: int
) -> None:
    warn(url, "WARNING", "canceling wait for synchronous replication")

    with pytest.raises(StoreError, match="warns: canceling wait"):
        insert(driver(connection), rows(0, number))


@pytest.mark.parametrize("number", [FEW, MANY])
def test_a_full_disk_is_an_error_and_passes(connection: Connection, url: str, number: int) -> None:
    warn(url, "EXCEPTION", "could not extend file")
    with pytest.raises((psycopg.Error, DBAPIError), match="could not extend file"):
        insert(driver(connection), rows(0, number))

    ask(url, "DROP TRIGGER warn ON records")
    insert(driver(connection), rows(0, number))

    assert positions(url) == list(range(number))


def warn(url: str, how: str, words: str) -> None:
    """Makes the server say something each time that rows are added."""
    code = "USING ERRCODE = '53100'" if how == "EXCEPTION" else ""
    ask(
        url,
        "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN RAISE {how} '{words}' {code}; RETURN NULL; END $$",
    )
    ask(url, "CREATE TRIGGER warn AFTER INSERT ON records EXECUTE FUNCTION warn()")
