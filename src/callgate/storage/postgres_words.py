"""What PostgreSQL says when something goes wrong, without what calls carried."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError

# Classes of SQLSTATE whose messages may quote values: data exceptions, violated constraints.
_QUOTING = ("22", "23")

_ADVICE = {
    "25006": "it is read-only: a standby, or a server that was told so",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "57P01": "an administrator ended the connection",
    "57P02": "the server crashed",
    "57014": "it took longer than store.statement_timeout_seconds",
    "55P03": "it is locked, for longer than store.busy_timeout_seconds",
    "42501": "the role may not do this (see `rights` in the documentation of the store)",
}


def said(error: Exception) -> str:
    """The database's own words, in one line, without statement, parameters, details or context."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    if not isinstance(cause, psycopg.Error):
        return _line(str(cause))
    code = cause.sqlstate or ""
    words = cause.diag.message_primary
    if words is None:  # not from the server but about the connection to it: libpq's own words
        words = str(cause)
    elif code.startswith(_QUOTING):
        words = type(cause).__name__  # such as UniqueViolation
    advice = _ADVICE.get(code)
    return _line(f"{words} ({advice})" if advice else words)


def _line(text: str) -> str:
    """libpq reports one line for each address that it tried."""
    lines = (line.strip() for line in text.splitlines())
    return "; ".join(line for line in lines if line) or "no reason given"
