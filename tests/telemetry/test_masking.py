"""Credentials and control characters in the log."""

from __future__ import annotations

import base64
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.identity.api_keys import new_key
from callgate.telemetry.masking import escaped, masked

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
TOKENS = st.text(ALPHABET, min_size=4).map(lambda text: f"7{text}=")
AROUND = st.text(max_size=20)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abc", "Authorization: ***"),
        ("authorization=Basic dXNlcjpwYXNz", "authorization=***"),
        ("proxy-authorization: x", "proxy-authorization: ***"),
        ('{"Authorization": "Bearer abc", "accept": "*/*"}', '{"Authorization": "***", "accept": "*/*"}'),
        ("[(b'authorization', b'Bearer abc')]", "[(b'authorization', b'***')]"),
        ('{\\"x-api-key\\": \\"k1\\"}', '{\\"x-api-key\\": \\"***\\"}'),
        ("Cookie: a=b; c=d", "Cookie: ***"),
        ("sent Bearer s3cr3t to it", "sent Bearer *** to it"),
        ("DPoP abc.def", "DPoP ***"),
        ("http://user:p@ss@host:80/x", "http://***@host:80/x"),
        ("postgres://user@host", "postgres://***@host"),
        ("/cb?access_token=abc&state=x", "/cb?access_token=***&state=x"),
    ],
)  # fmt: skip
def test_credentials_are_masked_where_they_are_usually_written(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "Present a bearer token or an API key.",
        "bearer authentication failed",
        "A bearer token. Then go on.",
        "refused not_permitted: Policy does not permit this call.",
        "https://example.com/a@b?c=d#e",
        "mail ada@example.com about https://example.com",
        "the stage authorize took 3 ms",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert masked(text) == text


@given(TOKENS, AROUND, AROUND)
def test_no_bearer_token_survives(token: str, before: str, after: str) -> None:
    assert token not in masked(f"{before} Bearer {token} {after}")
    assert token not in masked(f"{before} authorization: Bearer {token} {after}")


@given(AROUND, AROUND)
def test_no_api_key_survives(before: str, after: str) -> None:
    key = new_key()

    assert key not in masked(f"{before}{key} {after}")
    assert key not in masked(repr({"key": key}))


def test_no_jwt_survives() -> None:
    for parts in (2, 4):  # signed, encrypted
        secret = [secrets.token_urlsafe(20) for _ in range(parts)]
        header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")

        shown = masked(f"token {'.'.join([header, *secret])}, refused")

        assert not [part for part in secret if part in shown]
        assert shown.endswith(", refused")


@given(st.text(ALPHABET, min_size=8), st.text(ALPHABET, min_size=8))
def test_no_password_in_a_url_survives(user: str, password: str) -> None:
    user, password = user.replace("/", ""), f"7{password.replace('/', '')}!"

    assert password not in masked(f"cannot reach https://{user}:{password}@db.example:5432/x")


@pytest.mark.parametrize(
    "part",
    ["eyJ-", "://a", "://a@", "authorization: ", "authorization' ", "bearer ", "bearer a", "cgk_",
     "password=", "'", " ", "@"],
)  # fmt: skip
def test_masking_takes_no_longer_for_texts_made_to_slow_it_down(part: str) -> None:
    # Quadratic time would be minutes here, and stop the test run.
    masked(part * 50_000)
    masked("authorization:" + part * 50_000)


def test_control_characters_are_written_out() -> None:
    assert escaped("a\r\nb\tc\x00") == "a\\r\\nb\\tc\\x00"
    assert escaped("\x1b[31mred\x9b0m\x7f") == "\\x1b[31mred\\x9b0m\\x7f"
    assert escaped("\ufeffa\U000e0041\ufffe\udfff") == "\\ufeffa\\U000e0041\\ufffe\\udfff"
    assert escaped("\u202eevil\u2066\u2028") == "\\u202eevil\\u2066\\u2028"


@given(st.text())
def test_an_escaped_text_is_one_line_and_ordinary_letters_stay(text: str) -> None:
    line = escaped(text)

    assert len(f"x{line}x".splitlines()) == 1
    assert "\x1b" not in line
    assert escaped("Grüße, 世界 🙂") == "Grüße, 世界 🙂"
