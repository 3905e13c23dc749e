from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from callgate.audit.keys import SigningKey
from callgate.audit.rotation import written_keys
from callgate.ports import StoreError
from callgate.storage.settings import StoreSettings
from callgate.storage.signing import Keys, key_name

ORIGIN = "records.example.com/gateway"


def settings_in(directory: Path, **more: object) -> StoreSettings:
    return StoreSettings.model_validate({"path": directory / "r.db", **more})


def names(keys: Keys) -> list[str]:
    return [key.verifier.text for key in keys.current]


def test_key_is_made_at_the_first_start_for_its_owner_only(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    made = Keys(settings, ORIGIN)
    assert stat.S_IMODE((tmp_path / "r.db-key").stat().st_mode) == 0o600
    assert [key.verifier.name for key in made.current] == [ORIGIN]
    assert names(Keys(settings, ORIGIN)) == names(made)
    assert [file.name for file in tmp_path.iterdir()] == ["r.db-key"]
    assert key_name(settings) == ORIGIN


def test_key_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    Keys(settings_in(tmp_path, signing_key_file=tmp_path / "keys" / "one"), ORIGIN)
    assert (tmp_path / "keys" / "one").exists()
    assert not (tmp_path / "r.db-key").exists()


def test_key_may_be_given_itself(tmp_path: Path) -> None:
    key = SigningKey.generated(ORIGIN)
    settings = settings_in(tmp_path, signing_key=key.text)
    assert names(Keys(settings, ORIGIN)) == [key.verifier.text]
    assert key_name(settings) == ORIGIN
    assert list(tmp_path.iterdir()) == []


def test_keys_that_are_put_into_the_file_sign_from_then_on(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    keys = Keys(settings, ORIGIN)
    both = [*keys.current, SigningKey.generated(ORIGIN)]
    keys.refresh()
    assert len(keys.current) == 1
    (tmp_path / "r.db-key").write_text(f"# since today\n{written_keys(both)}")
    keys.refresh()
    assert names(keys) == [key.verifier.text for key in both]


@pytest.mark.parametrize("content", ["", "nothing", "# none\n", "\udcff"])
def test_file_that_becomes_unreadable_changes_nothing_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str
) -> None:
    keys = Keys(settings_in(tmp_path), ORIGIN)
    before = names(keys)
    (tmp_path / "r.db-key").write_bytes(os.fsencode(content))
    for _ in range(2):
        keys.refresh()
    assert names(keys) == before
    assert caplog.text.count("the keys of before go on signing") == 1
    (tmp_path / "r.db-key").unlink()
    keys.refresh()
    assert names(keys) == before


def test_key_of_another_record_is_an_error(tmp_path: Path) -> None:
    Keys(settings_in(tmp_path), ORIGIN)
    with pytest.raises(StoreError, match=r"r\.db-key: it is the key of .*gateway, not of other"):
        Keys(settings_in(tmp_path), "other.example.com")


def test_file_that_is_no_key_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    (tmp_path / "r.db-key").write_text("PRIVATE+KEY+s3cr3t\n")
    for ask in (
        lambda: Keys(settings_in(tmp_path), ORIGIN),
        lambda: key_name(settings_in(tmp_path)),
    ):
        with pytest.raises(StoreError, match=r"r\.db-key") as raised:
            ask()
        assert "s3cr3t" not in str(raised.value)


def test_file_with_nothing_in_it_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "r.db-key").write_text("# nothing\n")
    with pytest.raises(StoreError, match="has no signing key in it"):
        key_name(settings_in(tmp_path))


def test_directory_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, signing_key_file=tmp_path / "nowhere" / "key")
    with pytest.raises(StoreError, match="cannot be made: No such file"):
        Keys(settings, ORIGIN)


def test_gateways_that_share_a_database_must_be_given_a_key(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, url="postgresql://db.example.com/callgate")
    with pytest.raises(StoreError, match=r"there is no signing key: with store\.url"):
        Keys(settings, ORIGIN)
    assert list(tmp_path.iterdir()) == []
