"""Judges SQL by its tree: kinds of statement, tables, functions, conditions, LIMIT."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect

from callgate.interceptors.guard_sql import GuardSqlSettings
from callgate.interceptors.guarding.guards import Guard, Objection
from callgate.interceptors.guarding.sql_reading import (
    functions_in,
    has_tautology,
    is_limited,
    is_unfiltered,
    kind_of,
    kinds_in,
    read_statement,
    tables_in,
)
from callgate.interceptors.guarding.sql_values import injection_in

_CATALOGS = (
    *("information_schema", "performance_schema", "mysql", "sys", "sysobjects", "system"),
    *("pg_*", "sqlite_*", "duckdb_*", "svv_*", "stl_*", "dba_*", "v$*"),
)
_CATALOGS_OF = {"oracle": ("user_*", "all_*")}
"""What holds the database's own tables, or is one: any part of a name."""


class SqlGuard(Guard):
    """Refuses SQL that does more than it may, and what cannot be read in one way."""

    inline_characters = 300  # reading takes a few microseconds a character
    most_characters = 200_000

    def __init__(self, settings: GuardSqlSettings) -> None:
        super().__init__(settings)
        self._settings = settings
        self._dialect = Dialect.get_or_raise(settings.dialect or None)
        self._tables = None if settings.tables is None else _patterns(settings.tables)
        self._refused_tables = _patterns(settings.refuse_tables)
        self._catalogs = _CATALOGS + _CATALOGS_OF.get(settings.dialect, ())
        self._functions = frozenset(name.lower() for name in settings.functions)
        self._refused_functions = frozenset(name.lower() for name in settings.refuse_functions)
        # It warns of statements that it does not know, which are refused here: no news.
        logging.getLogger("sqlglot").setLevel(logging.ERROR)

    def look(self, text: str) -> str:
        """The text as it may go on. Raises Objection."""
        settings = self._settings
        if len(text) > settings.max_characters:
            raise Objection(f"is longer than {settings.max_characters} characters")
        if settings.kind == "value":
            found = injection_in(text, self._dialect)
            if found:
                raise Objection(f"looks like SQL injection ({found}); send a plain value")
            return text
        tree = read_statement(text, self._dialect, may_comment="comments" in settings.allow)
        try:
            self._check_kinds(tree)
            self._check_tables(tables_in(tree))
            self._check_functions(tree)
            tree = self._limited(tree)
            return text if settings.mode == "check" else tree.sql(self._dialect, comments=False)
        except RecursionError:
            raise Objection("is nested too deep") from None

    def _check_kinds(self, tree: exp.Expr) -> None:
        settings = self._settings
        for kind in kinds_in(tree):
            if kind not in settings.statements:
                may = ", ".join(sorted(settings.statements)).upper()
                raise Objection(f"holds {kind.upper()}; only {may} may be used")
        if "unions" not in settings.allow and tree.find(exp.SetOperation) is not None:
            raise Objection("combines queries (UNION or the like); send one query")
        if "tautologies" not in settings.allow and has_tautology(tree):
            raise Objection("holds a condition that is always true beside OR")
        if "unfiltered_changes" not in settings.allow and is_unfiltered(tree):
            raise Objection("changes every row; say which in a WHERE")

    def _check_tables(self, tables: Iterable[tuple[str, ...]]) -> None:
        for parts in tables:
            name = ".".join(parts)[:80]
            is_named = self._tables is not None and any(_fits(parts, one) for one in self._tables)
            if self._tables is not None and not is_named:
                raise Objection(f"uses the table {name}, which is not among those that may be used")
            if any(_fits(parts[-len(one) :], one) for one in self._refused_tables):
                raise Objection(f"uses the table {name}, which may not be used")
            if not is_named and "catalogs" not in self._settings.allow and self._is_catalog(parts):
                raise Objection(f"uses {name}, one of the database's own tables")

    def _is_catalog(self, parts: Sequence[str]) -> bool:
        return any(fnmatchcase(part, pattern) for part in parts for pattern in self._catalogs)

    def _check_functions(self, tree: exp.Expr) -> None:
        dialect = self._dialect if self._refused_functions else None
        for names, only_computes in functions_in(tree, dialect):
            name = names[0][:80]
            if not self._refused_functions.isdisjoint(names):
                raise Objection(f"calls {name}(), a function that may not be used")
            if not only_computes and self._functions.isdisjoint(names):
                raise Objection(
                    f"calls {name}(), which is not among the functions that may be used"
                )

    def _limited(self, tree: exp.Expr) -> exp.Expr:
        """The query with its LIMIT. Raises Objection where it has none and must not be changed."""
        most = self._settings.max_rows
        if most is None or kind_of(tree) != "select" or is_limited(tree, most):
            return tree
        if self._settings.mode == "check" or not isinstance(tree, exp.Query):
            raise Objection(f"must have a LIMIT of at most {most}")
        return tree.limit(most, dialect=self._dialect)


def _patterns(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(name.lower().split(".")) for name in names]


def _fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a table is meant: part for part, so that `*` stands for one part."""
    return len(parts) == len(pattern) and all(map(fnmatchcase, parts, pattern))
