"""Where operators connect, and who may."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from callgate.control.settings import ControlListenerSettings

TOKEN = "t0ken-" * 6


def test_by_default_only_this_machine_may_connect_and_needs_no_token() -> None:
    settings = ControlListenerSettings()

    assert (settings.host, settings.port, settings.token) == ("127.0.0.1", 8081, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "gate.example"])
def test_other_machines_may_connect_only_with_a_token(host: str) -> None:
    with pytest.raises(ValidationError, match="set `token` to a reference"):
        ControlListenerSettings(host=host)

    assert ControlListenerSettings(host=host, token=SecretStr(TOKEN)).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_addresses_need_none(host: str) -> None:
    assert ControlListenerSettings(host=host).token is None


@pytest.mark.parametrize("token", ["", "short", "a" * 31, "a b" * 20, "ü" * 40, "a\n" * 20])
def test_a_token_that_can_be_guessed_or_not_be_sent_is_refused(token: str) -> None:
    with pytest.raises(ValidationError, match="`token` must"):
        ControlListenerSettings(token=SecretStr(token))


def test_the_token_is_not_shown() -> None:
    assert TOKEN not in repr(ControlListenerSettings(token=SecretStr(TOKEN)))


def a_token(letter: str) -> SecretStr:
    return SecretStr(letter * 32)


def test_each_operator_and_reader_has_a_token_and_the_shared_one_may_stand_beside_them() -> None:
    settings = ControlListenerSettings(
        host="0.0.0.0",
        token=a_token("t"),
        operators={"ada": a_token("a")},
        readers={"portal": a_token("p")},
    )

    assert settings.tokens() == {
        "operator": a_token("t"),
        "ada": a_token("a"),
        "portal": a_token("p"),
    }


@pytest.mark.parametrize("block", ["operators", "readers"])
def test_named_tokens_protect_a_listener_too_and_follow_the_same_rules(block: str) -> None:
    made = ControlListenerSettings.model_validate({"host": "0.0.0.0", block: {"ada": "a" * 32}})
    assert made.tokens() == {"ada": a_token("a")}

    with pytest.raises(ValidationError, match=rf"`{block}.ada` must have at least 32"):
        ControlListenerSettings.model_validate({block: {"ada": "a" * 31}})
    with pytest.raises(ValidationError, match=rf"`{block}.ada` must not contain spaces"):
        ControlListenerSettings.model_validate({block: {"ada": "a b" * 16}})


@pytest.mark.parametrize("name", ["", "a b", "-ada", "a" * 65, "ada\n", "local", "operator"])
@pytest.mark.parametrize("block", ["operators", "readers"])
def test_a_name_that_reads_badly_or_is_taken_is_refused(block: str, name: str) -> None:
    with pytest.raises(ValidationError):
        ControlListenerSettings.model_validate({block: {name: "a" * 32}})


def test_one_token_stands_for_one_name() -> None:
    with pytest.raises(ValidationError, match=r"`operators.ada` and `token` must not be the same"):
        ControlListenerSettings(token=a_token("a"), operators={"ada": a_token("a")})


def test_one_name_has_one_token() -> None:
    with pytest.raises(ValidationError, match="'ada' stands in `operators` and in `readers`"):
        ControlListenerSettings(
            operators={"ada": a_token("a")},
            readers={"ada": a_token("b")},
        )


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://pdp.example.com", "https://pdp.example.com"),
        ("https://pdp.example.com:8443/gate/", "https://pdp.example.com:8443/gate"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
    ],
)
def test_the_public_url_is_kept_without_a_closing_slash(url: str, kept: str) -> None:
    assert ControlListenerSettings(public_url=url).public_url == kept


@pytest.mark.parametrize(
    "url", ["pdp.example.com", "ftp://x", "https://", "https://x/?q", "https://x#f", "https://u@x"]
)
def test_a_public_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="`public_url` must be such as"):
        ControlListenerSettings(public_url=url)
