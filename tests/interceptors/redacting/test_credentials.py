"""Secrets in texts: 24 kinds, and what only stands where a secret could."""

import pytest

from callgate.interceptors.redacting.credentials import Credentials, kingfisher
from callgate.interceptors.redacting.forms import Reading
from fakes.sensitive import secrets

SECRETS = secrets()
FINDER = Credentials()


def found(text: str) -> set[str]:
    return {text[span.start : span.end] for span in FINDER.find(Reading(text), 10.0)}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_found_whole(kind: str) -> None:
    secret, text = SECRETS[kind]

    assert secret in found(text)


@pytest.mark.parametrize("kind", SECRETS)
def test_characters_before_it_move_no_offset(kind: str) -> None:
    secret, text = SECRETS[kind]

    assert secret in found("Größe 訂單 😀 \n" + text)


def test_there_are_24_kinds() -> None:
    assert len(SECRETS) == 24


@pytest.mark.parametrize(
    "text",
    [
        "secret: SecretStr | None",
        'password=auth_info[2], token="exchanged"',
        "token = settings.token2",
        "Requires-Dist: redact-secret==0.1.0b15",
        "def of(token: str) -> None:",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_the_name_of_a_secret_is_none(text: str) -> None:
    assert found(text) == set()


@pytest.mark.parametrize(
    ("text", "password"),
    [
        ('{"password":"sunshine"}', "sunshine"),
        ('{"new_password": "swordfish77"}', "swordfish77"),
        ('secret = "swordfish77"', "swordfish77"),
        ("password: Tr0ub4dor&3", "Tr0ub4dor&3"),
    ],
)
def test_a_password_is_known_by_the_name_before_it(text: str, password: str) -> None:
    assert found(text) == {password}


def test_a_private_key_that_is_cut_off_ends_with_its_string() -> None:
    text = '{"a":"-----BEGIN ' + "PRIVATE KEY-----\nMIIEvQIBADANBg" + '","b":"mine"}'

    assert all("mine" not in one for one in found(text))
    assert any(one.endswith("MIIEvQIBADANBg") for one in found(text))


def test_secrets_far_from_each_other_are_all_found() -> None:
    passwords = [f"swordfish{n}7" for n in range(20)]

    text = (" nichts für uns" * 70).join(f'\nsecret = "{word}"' for word in passwords)

    assert found(text) == set(passwords)


def test_the_rules_are_compiled_once_for_the_process() -> None:
    assert kingfisher() is kingfisher()


def test_a_scan_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(TimeoutError):
        list(FINDER.find_distinct(Reading("token " * 200_000), 1e-9))
