"""A value is an injection where it would not stay one value in the SQL around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.dialects.dialect import Dialect

from callgate.interceptors.guarding.sql_values import injection_in

INJECTIONS = [
    "1; DROP TABLE users", "x'; DELETE FROM users; --", "1;select pg_sleep(5)", "'; exec xp_cmdshell 'dir'--",
    "1 UNION SELECT * FROM users", "x' union all select null, version() --", "1 UnIoN/**/SeLeCt 1", "1 union(select 1)",
    "%27%20UNION%20SELECT%201--", "1+union+select+1",
    "' OR '1'='1", "1 OR 1=1", "x' or 'a' = 'a' --", "' OR 1=1#", "1) OR (1=1", "' OR TRUE--", "1 or not false#",
    "' oR/**/2>1--", "1 || 1=1", "' || 'a'='a", "admin' AND 1=2 --", "1 OR x=x", "1 OR 2 LIKE 2", "\uff07 OR \uff11=\uff11",
    "admin'--", "admin' #", "admin'/*", "x' AND sleep(5) AND 'a", "1 AND benchmark(9,md5(1))", "'; waitfor delay '0:0:5",
    "x' AND (SELECT 1)=2 AND 'a'='b", "x') , ('y", "x','admin", "' INTO OUTFILE '/tmp/x", "load_file('/etc/passwd')",
    "the 'or' operator", "x' AND ascii(substr(password,1,1)) > 64 AND 'a' < b OR c = '",
]  # fmt: skip

BENIGN = [
    "", "Bob", "O'Brien", "it's a 'quoted' word", "rock 'n' roll", "salt or pepper", "5 or 6 people", "a = b",
    "union of select committees", "select the best; then go", "Dr. No; or: how I learned", "drop me a line", "C# and F#",
    "1=1", "and so on -- and on", "100% sure", "a || b", "\"quoted\" text", "He said \"it's fine\" and left", "x'y\"z",
    "email@example.com", "https://example.com/?q=a+or+b", "{\"a\": [1, 2]}", "\u65e5\u672c\u8a9e", "Tom & Jerry's", "don't and won't",
"where is it? in the table", "order by phone", "update: all good; create more", "5 > 3", "O''Brien",
]  # fmt: skip


@pytest.mark.parametrize("dialect", ["", "mysql", "postgres", "tsql"])
@pytest.mark.parametrize("text", INJECTIONS)
def test_a_value_that_would_be_more_than_a_value_is_found(text: str, dialect: str) -> None:
    assert injection_in(text, Dialect.get_or_raise(dialect or None)) != ""


@pytest.mark.parametrize("dialect", ["", "mysql", "postgres", "tsql"])
@pytest.mark.parametrize("text", BENIGN)
def test_a_value_in_plain_words_is_none(text: str, dialect: str) -> None:
    assert injection_in(text, Dialect.get_or_raise(dialect or None)) == ""


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1; DROP TABLE users", "a second statement"),
        ("1 UNION SELECT 1", "UNION"),
        ("1 OR 1=1", "a condition that always holds"),
        ("admin'--", "a comment"),
        ("x','admin", "a quote that ends the value"),
    ],
)
def test_an_injection_is_called_by_what_it_does(text: str, name: str) -> None:
    assert injection_in(text, Dialect.get_or_raise(None)) == name


WORDS = st.lists(st.from_regex(r"[a-zA-Z]{1,9}('s|s'|,|!)?", fullmatch=True), max_size=8)


@given(WORDS)
def test_words_with_one_apostrophe_are_no_injection(words: list[str]) -> None:
    text = " ".join(words)

    if text.count("'") < 2 and " or " not in f" {text.lower()} ":
        assert injection_in(text, Dialect.get_or_raise(None)) == ""
