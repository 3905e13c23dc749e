"""The guard for SQL: one statement of an allowed kind over allowed tables, or a plain value."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from callgate.interceptors.guarding.guards import Guard, GuardSettings

MAX_CHARACTERS = 50_000

Kind = Literal[
    "select", "insert", "update", "delete", "merge", "create", "alter", "drop", "truncate"
]
Allowance = Literal["unions", "comments", "tautologies", "catalogs", "unfiltered_changes"]

DIALECTS = (
    *("athena", "bigquery", "clickhouse", "databricks", "doris", "dremio", "drill", "druid"),
    *("duckdb", "dune", "exasol", "fabric", "hive", "materialize", "mysql", "oracle", "postgres"),
    *("presto", "redshift", "risingwave", "snowflake", "spark", "spark2", "sqlite", "starrocks"),
    *("teradata", "trino", "tsql"),
)


class GuardSqlSettings(GuardSettings):
    """What SQL a target may be given."""

    kind: Literal["statement", "value"] = "statement"
    """`statement`: a field is one SQL statement. `value`: a field is a plain text that a target
    puts into SQL; it is refused where it looks like SQL injection."""

    dialect: str = ""
    """What the database speaks: `postgres`, `mysql`, `sqlite`, `tsql`, …. Needed for statements:
    one text means different things to different databases."""

    statements: frozenset[Kind] = frozenset(("select",))
    """The kinds of statement that may be used, also inside others (`WITH … AS (DELETE …)`)."""

    tables: tuple[str, ...] | None = None
    """Only these tables: `orders`, `sales.orders`, `sales.*`; any where left out. A table without a
    schema in front is compared as it is written. Case does not matter."""

    refuse_tables: tuple[str, ...] = ()
    """Tables that may not be used all the same."""

    functions: tuple[str, ...] = ()
    """Functions that may be used besides the common ones that only compute, such as
    `to_tsvector` or `reports.total`."""

    refuse_functions: tuple[str, ...] = ()
    """Functions that may not be used although they only compute."""

    max_rows: int | None = Field(default=None, ge=0)
    """The largest LIMIT; a query without one is refused, or gets it with `mode: rewrite`."""

    allow: frozenset[Allowance] = frozenset()
    """What is refused otherwise: `unions` (also INTERSECT, EXCEPT), `comments`, `tautologies`
    (`OR 1=1`), `catalogs` (the database's own tables), `unfiltered_changes` (UPDATE and DELETE
    without WHERE)."""

    mode: Literal["check", "rewrite"] = "check"
    """`check`: statements go on as they are. `rewrite`: the target gets them as they were read,
    written anew, without comments and with the LIMIT."""

    max_characters: int = Field(default=10_000, ge=1, le=MAX_CHARACTERS)
    """Longer texts are refused."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.dialect not in DIALECTS and (self.dialect or self.kind == "statement"):
            raise ValueError(f"`dialect`: name one of {', '.join(DIALECTS)}")
        return self


def load_guard(settings: GuardSqlSettings) -> Guard:
    """The guard for these settings."""
    # The library for SQL takes a second and 30 MB, which only those pay who use it.
    from callgate.interceptors.guarding.sql_guard import SqlGuard  # noqa: PLC0415

    return SqlGuard(settings)
