from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from callgate.audit.keys import SigningKey
from callgate.storage.settings import StoreSettings


def test_defaults_survive_power_loss_and_mask_nothing() -> None:
    settings = StoreSettings()
    assert settings.path == Path("callgate.db")
    assert settings.synchronous == "full"
    assert settings.mask == ()
    assert settings.busy_timeout_seconds == 5
    assert (settings.url, settings.origin, settings.signing_key) == (None, None, None)
    assert settings.checkpoint_seconds == 1


@pytest.mark.parametrize("path", ["", "card..number", ".card", "card."])
def test_mask_that_is_not_a_path_is_an_error_that_names_it(path: str) -> None:
    with pytest.raises(ValidationError, match="is not a path"):
        StoreSettings(mask=(path,))


def test_waiting_no_time_for_other_processes_is_an_error() -> None:
    with pytest.raises(ValidationError, match="busy_timeout_seconds"):
        StoreSettings(busy_timeout_seconds=0)


def test_files_of_the_record_lie_beside_it() -> None:
    settings = StoreSettings(path=Path("data/r.db"))
    assert settings.beside(".seal") == Path("data/r.db.seal")
    assert settings.key_file == Path("data/r.db-key")
    elsewhere = StoreSettings(path=Path("data/r.db"), signing_key_file=Path("keys/one"))
    assert elsewhere.key_file == Path("keys/one")


def test_url_that_is_none_of_postgresql_is_an_error_that_does_not_repeat_it() -> None:
    with pytest.raises(ValidationError, match="must begin with postgresql://") as raised:
        StoreSettings(url="mysql://root:s3cr3t@db.example.com/callgate")
    assert "s3cr3t" not in raised.value.errors()[0]["msg"]


@pytest.mark.parametrize("origin", ["", "has space", "a+b", "ends/", "x" * 201])
def test_origin_that_no_checkpoint_could_have_is_an_error(origin: str) -> None:
    with pytest.raises(ValidationError, match="is no origin"):
        StoreSettings(origin=origin)


def test_keys_may_stand_one_a_line_with_remarks() -> None:
    keys = [SigningKey.generated("records.example.com").text for _ in range(2)]
    text = f"# the old one\n{keys[0]}\n\n{keys[1]}\n"
    assert StoreSettings(signing_key=text).signing_key == text


def test_signing_key_that_is_none_is_an_error_that_does_not_show_it() -> None:
    with pytest.raises(ValidationError, match="form name") as raised:
        StoreSettings(signing_key="PRIVATE+KEY+s3cr3t")
    assert "s3cr3t" not in raised.value.errors()[0]["msg"]


@pytest.mark.parametrize("seconds", [0, -1, 3601])
def test_signing_never_or_too_rarely_is_an_error(seconds: float) -> None:
    with pytest.raises(ValidationError, match="checkpoint_seconds"):
        StoreSettings(checkpoint_seconds=seconds)


def test_settings_that_are_printed_show_no_secret() -> None:
    key = SigningKey.generated("records.example.com").text
    url = "postgresql://ada:hunter2@db.example.com/record"

    printed = repr(StoreSettings(url=url, signing_key=key))

    assert "hunter2" not in printed
    assert key not in printed


def test_what_is_wrong_with_a_url_is_said_without_its_password() -> None:
    with pytest.raises(ValidationError) as raised:
        StoreSettings(url="postgresql://ada:hunter/2@db.example.com/record")

    assert "hunter" not in str(raised.value)
    assert "%2F" in str(raised.value)
