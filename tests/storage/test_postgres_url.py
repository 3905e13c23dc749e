from __future__ import annotations

import pytest

from callgate.storage.postgres_url import is_unverified, is_url, problem_with, shown


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://localhost/callgate",
        "postgres://callgate:p%40ss@db.example.com:5433/callgate?sslmode=verify-full",
        "postgresql://a@one:5432,two:5433/callgate?target_session_attrs=read-write",
        "postgresql:///callgate?host=/var/run/postgresql",
        "postgresql://?service=record",
        "postgresql://[::1]/callgate",
    ],
)
def test_what_libpq_takes_is_taken(url: str) -> None:
    assert is_url(url)
    assert problem_with(url) is None


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/db", "must begin with postgresql://"),
        ("postgresql+psycopg://host/db", "must begin with postgresql://"),
        ("postgresql://host", "names no database"),
        ("postgresql://host/", "names no database"),
        ("postgresql://u:top#secret@host/db", "%23"),
        ("postgresql://u:top@secret@host/db", "%40"),
        ("postgresql://u:top/secret@host/db", "%2F"),
        ("postgresql://u:secret%zz@host/db", "%25"),
        ("postgresql://u:top?secret@host/db", "is not a URL"),
        ("postgresql://host/db?sslmode", "is not a URL"),
        ("postgresql://[::1/db", "is not a URL"),
        ("postgresql://host/db?sslmode=require&sslmode=disable", "twice"),
        ("postgresql://host/db?password=secret", "PGPASSWORD"),
    ],
)
def test_what_it_does_not_is_said_without_repeating_it(url: str, reason: str) -> None:
    problem = problem_with(url)

    assert problem is not None
    assert reason in problem
    assert "secret" not in problem


def test_a_file_is_no_url() -> None:
    assert not is_url("callgate.db")
    assert not is_url("C:\\records\\callgate.db")


@pytest.mark.parametrize(
    ("url", "is_so"),
    [
        ("postgresql://db.example.com/record", True),
        ("postgresql://u:p@10.0.0.7:5433/record?sslmode=require", True),
        ("postgresql://db.example.com/record?sslmode=verify-full", False),
        ("postgresql://db.example.com/record?sslmode=verify-ca", False),
        ("postgresql://localhost,db.example.com:1/record", True),
        ("postgresql://[2001:db8::1]:5432/record", True),
        ("postgresql://x/record?host=::ffff:10.0.0.1", True),
        ("postgresql://localhost:5433,127.0.0.1,[::1]:5432/record", False),
        ("postgresql:///record", False),
        ("postgresql:///record?host=/var/run/postgresql", False),
    ],
)
def test_a_server_across_a_network_without_a_certificate_is_known(url: str, is_so: bool) -> None:
    assert is_unverified(url) is is_so


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://u:secret@host:5433/db?sslkey=/k", "postgresql://host:5433/db"),
        ("postgresql://u:secret@one,two:1/db", "postgresql://one,two:1/db"),
        ("postgresql:///db", "postgresql:///db"),
        ("postgresql://h?dbname=db", "postgresql://h/db"),
        ("postgresql://[::1/db:secret", "postgresql://…"),
    ],
)
def test_messages_show_neither_user_nor_password_nor_parameters(url: str, words: str) -> None:
    assert shown(url) == words
