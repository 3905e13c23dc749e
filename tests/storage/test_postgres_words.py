from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError, PendingRollbackError

from callgate.storage.postgres_words import said
from fakes.postgres import a_database, ask


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_database() as made:
        ask(made, "CREATE TABLE calls (number int UNIQUE CHECK (number < 100), text text)")
        ask(made, "INSERT INTO calls VALUES (1, 'one')")
        yield made


def words_of(url: str, statement: str, *values: object) -> str:
    with pytest.raises(psycopg.Error) as raised:
        ask(url, statement, *values)
    direct = said(raised.value)
    assert said(DBAPIError(statement, values, raised.value)) == direct
    return direct


@pytest.mark.parametrize(
    ("statement", "value", "name"),
    [
        ("INSERT INTO calls VALUES (1, %s)", "4111 1111", "UniqueViolation"),
        ("INSERT INTO calls VALUES (100, %s)", "4111 1111", "CheckViolation"),
        ("SELECT %s::text::int", "4111 1111", "InvalidTextRepresentation"),
        ("SELECT %s::text::json", '{"card": 4111 1111}', "InvalidTextRepresentation"),
    ],
)
def test_what_calls_carried_is_not_repeated(
    url: str, statement: str, value: str, name: str
) -> None:
    assert words_of(url, statement, value) == name


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("53100", "its disk is full"),
        ("57014", "statement_timeout_seconds"),
        ("42501", "rights"),
    ],
)
def test_what_can_be_done_is_said(url: str, code: str, advice: str) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}', DETAIL = '4111'; END $$"

    words = words_of(url, raising)

    assert words.startswith("no (")
    assert advice in words
    assert "4111" not in words


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect("postgresql://ada:secret@127.0.0.1:1/x", connect_timeout=2)

    words = said(raised.value)
    assert "127.0.0.1" in words
    assert "secret" not in words
    assert "\n" not in words


def test_a_database_that_is_missing_is_named(url: str) -> None:
    with pytest.raises(psycopg.OperationalError) as raised:
        psycopg.connect(f"{url}_missing")

    assert "does not exist" in said(raised.value)


def test_errors_of_the_library_are_their_own_words() -> None:
    assert said(PendingRollbackError("it\n  is over")) == "it; is over"
    assert said(ValueError()) == "no reason given"
