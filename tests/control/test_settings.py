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
