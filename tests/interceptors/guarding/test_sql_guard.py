"""What SQL the guard lets through, and every way round it that we know."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from callgate.interceptors.guard_sql import GuardSqlSettings
from callgate.interceptors.guarding.guards import Objection
from callgate.interceptors.guarding.sql_guard import SqlGuard
from callgate.scrutiny import Decision, Request
from fakes.calls import a_principal, a_tool


def guard(dialect: str = "postgres", **settings: Any) -> SqlGuard:
    return SqlGuard(GuardSqlSettings(**{"fields": ["$.query"], "dialect": dialect, **settings}))


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a, b FROM orders WHERE a = 1 AND b LIKE '%x%' ORDER BY a LIMIT 10",
        "select count(*), max(total) from orders group by customer having count(*) > 1",
        "WITH x AS (SELECT 1 AS a) SELECT * FROM x JOIN orders o ON o.a = x.a;",
        "SELECT * FROM a JOIN b USING (id) WHERE a.x IN (SELECT x FROM c) OR a.y = 5",
        "SELECT * FROM orders WHERE 1 = 1 AND a = 2",
        "SELECT 'it''s; -- no comment' AS b",
        "SELECT coalesce(lower(x), 'n/a'), now(), substring(y from 1 for 2) FROM t",
        "SELECT CASE WHEN a > 1 THEN 'x' ELSE 'y' END FROM t",
        "SELECT gr\u00f6\u00dfe FROM b\u00fccher WHERE titel = 'O\u2019Brien'",
        "SELECT row_number() OVER (PARTITION BY a ORDER BY b) FROM t",
    ],
)
def test_one_plain_query_goes_on_as_it_is(query: str) -> None:
    assert guard().look(query) == query


REFUSED = [
    ("postgres", "SELECT 1; DROP TABLE users", "2 statements"),
    ("postgres", "SELECT 1; SELECT 2", "2 statements"),
    ("postgres", "", "0 statements"),
    ("postgres", "DROP TABLE users", "DROP"),
    ("postgres", "DELETE FROM users WHERE a = 1", "DELETE"),
    ("postgres", "UPDATE users SET a = 1", "UPDATE"),
    ("postgres", "INSERT INTO users VALUES (1)", "INSERT"),
    ("postgres", "TRUNCATE users", "TRUNCATE"),
    ("postgres", "CREATE TABLE x AS SELECT 1", "CREATE"),
    ("postgres", "ALTER TABLE x ADD COLUMN y int", "ALTER"),
    ("postgres", "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE", "MERGE"),
    ("postgres", "WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", "DELETE"),
    ("postgres", "WITH x AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM x", "INSERT"),
    ("postgres", "SELECT a INTO b FROM t", "CREATE"),
    ("postgres", "SELECT * FROM t FOR UPDATE", "locks"),
    ("postgres", "COPY t TO '/tmp/x'", "another kind"),
    ("postgres", "COPY t FROM PROGRAM 'id'", "another kind|can be read"),
    ("postgres", "DO $$ BEGIN END $$", "another kind"),
    ("postgres", "CALL f()", "another kind"),
    ("postgres", "SET ROLE admin", "another kind"),
    ("postgres", "EXPLAIN ANALYZE DELETE FROM t", "another kind"),
    ("postgres", "GRANT ALL ON t TO x", "another kind"),
    ("postgres", "BEGIN", "another kind"),
    ("postgres", "VALUES (1)", "another kind"),
    ("sqlite", "ATTACH DATABASE '/etc/x' AS y", "another kind"),
    ("sqlite", "PRAGMA writable_schema = 1", "another kind"),
    ("tsql", "EXEC xp_cmdshell 'dir'", "another kind"),
    ("mysql", "LOAD DATA INFILE '/etc/passwd' INTO TABLE t", "another kind|can be read"),
    ("mysql", "SELECT a FROM t INTO OUTFILE '/tmp/x'", "can be read"),
    ("mysql", "SELECT load_file('/etc/passwd')", r"load_file\(\)"),
    ("mysql", "SELECT sleep(5)", r"sleep\(\)"),
    ("mysql", "SELECT benchmark(1000000, md5('a'))", r"benchmark\(\)"),
    ("mysql", "SELECT extractvalue(1, concat(0x7e, version()))", r"extractvalue\(\)"),
    ("mysql", "SELECT @@version", "setting of the database"),
    ("mysql", "SELECT @a := 1", "variable"),
    ("mysql", "SELECT /*!50000 1*/ 2", "comment"),
    ("mysql", "SELECT 1 # x", "comment"),
    ("mysql", "SELECT /*+ x */ 1 FROM t", "hint|comment"),
    ("postgres", "SELECT 1 -- x", "comment"),
    ("postgres", "SELECT/**/1", "comment"),
    ("postgres", "SELECT 1; -- x", "comment"),
    ("postgres", "SELECT pg_sleep(5)", r"pg_sleep\(\)"),
    ("postgres", "SELECT * FROM pg_read_file('/etc/passwd')", r"pg_read_file\(\)"),
    ("postgres", "SELECT lo_import('/etc/passwd')", r"lo_import\(\)"),
    ("postgres", "SELECT query_to_xml('DROP TABLE t', true, true, '')", r"query_to_xml\(\)"),
    ("postgres", "SELECT * FROM dblink('x', 'y') AS t(a int)", r"dblink\(\)"),
    ("postgres", "SELECT a FROM t WHERE x = (SELECT pg_sleep(1))", r"pg_sleep\(\)"),
    ("postgres", "SELECT pg_catalog.pg_sleep(1)", r"pg_catalog\.pg_sleep\(\)"),
    ("postgres", "SELECT evil.lower(x) FROM t", r"evil\.lower\(\)"),
    ("oracle", "SELECT utl_http.request('http://x') FROM dual", r"utl_http\.request\(\)"),
    ("duckdb", "SELECT * FROM read_csv('/etc/passwd')", r"read_csv\(\)"),
    ("duckdb", "SELECT * FROM '/etc/passwd'", "file or a server"),
    ("duckdb", "SELECT * FROM 's3://b/x.csv'", "file or a server"),
    ("clickhouse", "SELECT * FROM url('http://x', CSV, 'a String')", r"url\(\)"),
    ("snowflake", "SELECT $1 FROM @stage", "no table"),
    ("tsql", "SELECT * FROM OPENROWSET(BULK 'x', SINGLE_CLOB) AS t", "openrowset|can be read"),
    ("postgres", "SELECT * FROM a UNION SELECT * FROM b", "UNION"),
    ("postgres", "SELECT * FROM a WHERE x IN (SELECT 1 UNION ALL SELECT 2)", "UNION"),
    ("postgres", "SELECT * FROM a INTERSECT SELECT * FROM b", "UNION"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR 1 = 1", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR 'a' = 'a'", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR TRUE", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR NOT FALSE", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR (2 > 1)", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR b = b", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR 1 IN (1)", "always true"),
    ("postgres", "SELECT * FROM t WHERE a = 1 OR EXISTS (SELECT 1)", "always true"),
    ("mysql", "SELECT * FROM t WHERE a = 1 || 1", "always true"),
    ("postgres", "SELECT * FROM information_schema.tables", "own tables"),
    ("postgres", "SELECT * FROM pg_shadow", "own tables"),
    ("postgres", "SELECT * FROM PG_CATALOG.pg_user", "own tables"),
    ("mysql", "SELECT * FROM mysql.user", "own tables"),
    ("sqlite", "SELECT sql FROM sqlite_master", "own tables"),
    ("oracle", "SELECT * FROM all_users", "own tables"),
    ("postgres", "SELECT 'a\\' OR 1=1'", "backslash before a quote"),
    ("postgres", "SELECT '\uff07 OR 1=1'", r"U\+FF07"),
    ("postgres", "SELECT 'x\u02bc OR 1=1'", r"U\+02BC"),
    ("postgres", "SELECT 1\uff1b DROP TABLE t", r"U\+FF1B"),
    ("postgres", "SELECT 1\0", r"U\+0000"),
    ("postgres", "SEL\u200bECT 1", r"U\+200B"),
    ("postgres", "SELECT '\ud800'", r"U\+D800"),
    ("postgres", "SELECT\u00a01", "comment|can be read"),
    ("postgres", "SELECT " + "(" * 400 + "1" + ")" * 400, "can be read|too deep"),
    ("postgres", "SELECT '" + "x" * 20_000 + "'", "longer than"),
    ("postgres", "what are the orders of today?", "can be read"),
    ("postgres", "SELECT 'unclosed", "can be read"),
]


@pytest.mark.parametrize(("dialect", "query", "reason"), REFUSED)
def test_what_does_more_than_read_rows_is_refused(dialect: str, query: str, reason: str) -> None:
    with pytest.raises(Objection, match=reason):
        guard(dialect).look(query)


@pytest.mark.parametrize(
    ("query", "is_let_through"),
    [
        ("SELECT * FROM orders", True),
        ("SELECT * FROM ORDERS AS o", True),
        ('SELECT * FROM "orders"', True),
        ("SELECT * FROM sales.q1, sales.q2", True),
        ("SELECT * FROM other.orders", False),
        ("SELECT * FROM sales.a.b", False),
        ("SELECT * FROM users", False),
        ("SELECT (SELECT max(x) FROM users) FROM orders", False),
        ("SELECT * FROM orders WHERE EXISTS (SELECT 1 FROM users)", False),
        ("SELECT * FROM orders, LATERAL (SELECT * FROM users) u", False),
        ("WITH users AS (SELECT 1) SELECT * FROM users", True),
        ("WITH users AS (SELECT * FROM users) SELECT * FROM users", False),
        ("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b", True),
        ("WITH b AS (SELECT * FROM users), users AS (SELECT 1) SELECT * FROM b", False),
        ("SELECT * FROM (WITH users AS (SELECT 1) SELECT * FROM users) x, users", False),
        ("WITH users AS (SELECT 1) SELECT * FROM public.users", False),
        ("WITH RECURSIVE n AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n", True),
        ("SELECT * FROM orders WHERE x IN (WITH y AS (TABLE users) SELECT * FROM y)", False),
        ("SELECT * FROM sales.secrets", False),
        ("SELECT * FROM information_schema.columns", True),
        ("SELECT * FROM information_schema.tables", False),
        ('SELECT * FROM "sales.q1"', False),
    ],
)
def test_only_named_tables_are_read_wherever_they_stand(query: str, is_let_through: bool) -> None:
    it = guard(
        tables=["orders", "sales.*", "information_schema.columns"],
        refuse_tables=["secrets"],
        allow=["unions"],
    )

    if is_let_through:
        assert it.look(query) == query
    else:
        with pytest.raises(Objection, match=r"table|file"):
            it.look(query)


def test_functions_are_let_through_and_refused_by_name() -> None:
    it = guard(functions=["to_tsvector", "Reports.Total"], refuse_functions=["version", "repeat"])

    assert it.look("SELECT to_tsvector(x), reports.total(1) FROM t")
    for query in ("SELECT version()", "SELECT repeat('x', 1000000000)", "SELECT total(1)",
                  "SELECT evil.to_tsvector(x) FROM t"):  # fmt: skip
        with pytest.raises(Objection, match=r"calls [\w.]+\(\)"):
            it.look(query)


@pytest.mark.parametrize(
    ("statements", "query", "is_let_through"),
    [
        (["insert"], "INSERT INTO t (a) VALUES (1)", True),
        (["insert"], "INSERT INTO t SELECT * FROM x", True),
        (["insert"], "SELECT 1", False),
        (["update", "delete"], "UPDATE t SET a = 1 WHERE b = 2", True),
        (["update", "delete"], "UPDATE t SET a = 1", False),
        (["update", "delete"], "DELETE FROM t WHERE 1 = 1", False),
        (["update", "delete"], "DELETE FROM t WHERE a = a", False),
        (["update", "delete"], "DELETE FROM t WHERE a = 1", True),
        (["merge", "delete"], "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN DELETE", True),
        (["create"], "CREATE TABLE x (a int)", True),
        (["create"], "CREATE FUNCTION f() RETURNS int AS 'x' LANGUAGE c", False),
        (["create"], "CREATE ROLE x", False),
        (["create", "select"], "SELECT a INTO b FROM t", True),
        (["drop"], "DROP TABLE t", True),
        (["drop"], "DROP SCHEMA public CASCADE", False),
        (["alter"], "ALTER TABLE t ADD COLUMN x int", True),
        (["truncate"], "TRUNCATE t", True),
    ],
)
def test_changes_are_let_through_kind_by_kind(
    statements: list[str], query: str, is_let_through: bool
) -> None:
    it = guard(statements=statements)

    if is_let_through:
        assert it.look(query) == query
    else:
        with pytest.raises(Objection):
            it.look(query)


@pytest.mark.parametrize(
    ("dialect", "query", "limited"),
    [
        ("postgres", "SELECT a FROM t LIMIT 10", "SELECT a FROM t LIMIT 10"),
        ("postgres", "SELECT a FROM t", "SELECT a FROM t LIMIT 10"),
        ("postgres", "SELECT a FROM t LIMIT 11", "SELECT a FROM t LIMIT 10"),
        ("postgres", "SELECT a FROM t LIMIT ALL", "SELECT a FROM t LIMIT 10"),
        ("postgres", "SELECT a FROM t LIMIT 5 + 5", "SELECT a FROM t LIMIT 10"),
        ("postgres", "SELECT a FROM t LIMIT 5 OFFSET 3", "SELECT a FROM t LIMIT 5 OFFSET 3"),
        ("postgres", "SELECT a FROM t FETCH FIRST 99 ROWS ONLY", "SELECT a FROM t LIMIT 10"),
        (
            "postgres",
            "SELECT a FROM (SELECT a FROM t LIMIT 1) x",
            "SELECT a FROM (SELECT a FROM t LIMIT 1) AS x LIMIT 10",
        ),
        (
            "postgres",
            "SELECT a FROM t UNION SELECT 1 LIMIT 99",
            "SELECT a FROM t UNION SELECT 1 LIMIT 10",
        ),
        ("postgres", "(SELECT a FROM t)", "(SELECT a FROM t) LIMIT 10"),
        ("tsql", "SELECT a FROM t", "SELECT TOP 10 a FROM t"),
        ("tsql", "SELECT TOP 5 PERCENT a FROM t", "SELECT TOP 10 a FROM t"),
        ("tsql", "SELECT TOP 5 WITH TIES a FROM t ORDER BY a", "SELECT TOP 10 a FROM t ORDER BY a"),
        ("mysql", "SELECT a FROM t LIMIT 3, 99", "SELECT a FROM t LIMIT 10 OFFSET 3"),
    ],
)
def test_a_query_gets_its_limit_or_is_refused(dialect: str, query: str, limited: str) -> None:
    settings: dict[str, Any] = {"max_rows": 10, "allow": ["unions"]}

    assert guard(dialect, mode="rewrite", **settings).look(query) == limited
    if query == limited:
        assert guard(dialect, **settings).look(query) == query
    else:
        with pytest.raises(Objection, match="must have a LIMIT of at most 10"):
            guard(dialect, **settings).look(query)


def test_rewriting_leaves_no_comment_and_one_way_of_writing() -> None:
    it = guard("mysql", mode="rewrite", allow=["comments"])

    assert it.look("select /* a */ x from `t` -- b") == "SELECT x FROM `t`"
    assert it.look("SELECT /*!50000 user()*/ 2") == "SELECT 2"


def test_what_rewriting_writes_is_let_through_unchanged() -> None:
    for query in ("SELECT a, count(*) FROM t WHERE x IN (1, 2) GROUP BY a", "SELECT 'it''s' || b FROM t"):  # fmt: skip
        it = guard(mode="rewrite", max_rows=5)
        once = it.look(query)

        assert it.look(once) == once


# A plain value that a target puts into SQL


def test_all_texts_of_a_call_are_looked_at_where_the_field_is_the_root() -> None:
    it = guard("", kind="value", fields=["$"])

    def ask(arguments: dict[str, Any]) -> Decision | None:
        view = Request(call_id="c", principal=a_principal(), tool=a_tool(), arguments=arguments)
        return asyncio.run(it.on_request(view))

    assert ask({"customer": "O'Brien", "amount": 5, "tags": ["a"]}) is None
    assert ask({"customer": "x", "filter": {"or": ["a", "1 OR 1=1"]}}) == Decision(
        refuse="The field $.filter.or[1] looks like SQL injection "
        "(a condition that always holds); send a plain value."
    )


@pytest.mark.parametrize(
    "text",
    ["SELECT " + "CASE WHEN " * 900, "SELECT * FROM " + "(" * 4000, "SELECT " + "[" * 9000,
     "SELECT 1 WHERE a" + " OR a=1" * 1400, "SELECT " + "a<" * 4000, "SELECT " + "NOT " * 2400,
     "SELECT " + "f(" * 4000, "SELECT " + "(SELECT " * 1000, "SELECT " + "- " * 4000 + "1"],
)  # fmt: skip
def test_a_text_that_is_made_to_be_hard_to_read_is_refused_or_read_soon(text: str) -> None:
    it = guard(max_characters=10_000)
    started = time.process_time()

    with contextlib.suppress(Objection):
        it.look(text)

    assert time.process_time() - started < 2.0


def test_long_texts_are_read_beside_the_event_loop() -> None:
    async def scenario() -> tuple[int, Decision | None]:
        it, beats = guard(), 0
        query = "SELECT a FROM t WHERE a IN (" + ", ".join(map(str, range(1500))) + ")"
        view = Request(
            call_id="c", principal=a_principal(), tool=a_tool(), arguments={"query": query}
        )
        asked = asyncio.ensure_future(it.on_request(view))
        while not asked.done():
            await asyncio.sleep(0)
            beats += 1
        return beats, asked.result()

    beats, decision = asyncio.run(scenario())

    assert decision is None
    assert beats > 5
