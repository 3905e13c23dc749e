"""What a statement does, and what it uses, is found wherever it stands in the statement."""

from __future__ import annotations

from typing import Any

import pytest
from sqlglot.dialects.dialect import Dialect

from callgate.interceptors.guarding.guards import Objection
from callgate.interceptors.guarding.sql_reading import (
    check_characters,
    functions_in,
    has_tautology,
    is_limited,
    is_unfiltered,
    kind_of,
    kinds_in,
    read_statement,
    tables_in,
)

POSTGRES = Dialect.get_or_raise("postgres")


def read(text: str, dialect: str = "postgres") -> Any:
    return read_statement(text, Dialect.get_or_raise(dialect), may_comment=False)


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("SELECT 1", ["select"]),
        ("SELECT 1 UNION SELECT 2", ["select"]),
        ("(SELECT 1)", ["select"]),
        ("INSERT INTO t SELECT * FROM x", ["insert", "insert"]),
        (
            "WITH x AS (DELETE FROM t RETURNING a), y AS (UPDATE t SET a = 1 RETURNING a) SELECT 1",
            ["select", "delete", "update"],
        ),
        ("SELECT a INTO b FROM t", ["select", "create"]),
        ("CREATE TEMPORARY TABLE x AS SELECT 1", ["create", "create"]),
    ],
)
def test_every_kind_of_statement_inside_one_is_told(text: str, kinds: list[str]) -> None:
    assert sorted(kinds_in(read(text))) == sorted(kinds)
    assert kind_of(read(text)) == kinds[0]


@pytest.mark.parametrize(
    "text",
    [
        "CREATE TABLE x (a int) WITH (fillfactor = 70)",
        "CREATE DATABASE x",
        "DROP USER x",
        "ALTER SYSTEM SET x = 1",
    ],
)
def test_only_plain_tables_views_and_indices_are_made(text: str) -> None:
    with pytest.raises(Objection):
        list(kinds_in(read(text)))


@pytest.mark.parametrize(
    ("text", "tables"),
    [
        ("SELECT * FROM a, B.c JOIN d.E.f ON true", [("a",), ("b", "c"), ("d", "e", "f")]),
        ("INSERT INTO a SELECT * FROM b", [("a",), ("b",)]),
        ("UPDATE a SET x = y FROM b WHERE a.i = b.i", [("a",), ("b",)]),
        ("DELETE FROM a USING b WHERE a.i = b.i", [("a",), ("b",)]),
        ("SELECT * FROM generate_series(1, 2)", []),
        ("WITH a AS (SELECT 1) SELECT * FROM a, b", [("b",)]),
        ("WITH a AS (SELECT * FROM a) SELECT * FROM a", [("a",)]),
        ("WITH a AS (SELECT 1) SELECT * FROM x UNION SELECT * FROM a", [("x",)]),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", [("t",)]),
        ("SELECT (WITH a AS (SELECT 1) SELECT max(x) FROM a) FROM a", [("a",)]),
    ],
)
def test_every_table_is_found_and_what_with_defines_is_none(
    text: str, tables: list[tuple[str, ...]]
) -> None:
    assert sorted(tables_in(read(text))) == tables


def test_functions_are_told_with_their_names_in_the_dialect() -> None:
    tree = read("SELECT lower(a), pg_sleep(1), s.f(2), version() FROM t WHERE a AND b")

    assert sorted((names[0], only) for names, only in functions_in(tree, None)) == [
        ("current_version", True),
        ("lower", True),
        ("pg_sleep", False),
        ("s.f", False),
    ]
    assert {"version"} <= {name for names, _ in functions_in(tree, POSTGRES) for name in names}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("a = 1 OR b = 2", False),
        ("a = 1 OR 1 = 1", True),
        ("1 = 1 AND a = 2", False),
        ("a = 1 OR (1 = 1 AND b = 2)", False),
        ("a = 1 OR (1 = 1 AND 2 > 1)", True),
        ("a = 1 OR (b = 2 OR TRUE)", True),
        ("a = 1 OR a = a", True),
        ("a = 1 OR a = b", False),
        ("NOT (a = 1 OR NULL IS NULL)", True),
        ("a IN (SELECT b FROM t WHERE c = 1 OR 'x' LIKE 'x')", True),
        ("a = 1 OR EXISTS (SELECT 1 FROM other)", False),
        ("a = 1 OR $1 = 2", False),
    ],
)
def test_a_condition_that_is_about_no_data_is_found_beside_or(condition: str, holds: bool) -> None:
    assert has_tautology(read(f"SELECT 1 FROM t WHERE {condition}")) is holds


def test_a_change_without_a_condition_about_data_is_unfiltered() -> None:
    assert is_unfiltered(read("DELETE FROM t"))
    assert is_unfiltered(read("UPDATE t SET a = 1 WHERE 2 > 1"))
    assert not is_unfiltered(read("UPDATE t SET a = 1 WHERE b > 1"))
    assert not is_unfiltered(read("SELECT 1"))


def test_a_limit_counts_where_it_is_a_number_that_is_small_enough() -> None:
    assert is_limited(read("SELECT 1 LIMIT 5"), 5)
    assert is_limited(read("SELECT 1 FETCH FIRST 5 ROWS ONLY"), 5)
    for text in ("SELECT 1", "SELECT 1 LIMIT 6", "SELECT 1 LIMIT '5'", "SELECT 1 LIMIT 9999999999",
                 "SELECT 1 LIMIT (SELECT 2)", "SELECT 1 FETCH FIRST 5 ROWS WITH TIES",
                 "SELECT 1 FETCH FIRST ROW ONLY"):  # fmt: skip
        assert not is_limited(read(text), 5)


def test_text_in_any_language_is_let_through_and_what_turns_into_a_quote_is_not() -> None:
    check_characters("SELECT '\u65e5\u672c\u3000\u8a9e', 'caf\u00e9', '\u2019', '\U0001f600'")
    for character in "\uff07\uff02\uff1b\ufe54\u02bc\u200b\u202e\0\x1b":
        with pytest.raises(Objection):
            check_characters(f"SELECT '{character}'")
