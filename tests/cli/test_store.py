from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from callgate.cli.store import StorePlace, open_records, store_options, store_settings

URL = "postgresql://callgate@db.example.com/callgate"


def test_record_is_where_the_configuration_says_however_broken_its_rest(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: data/r.db, nonsense: 1}\ntargets: {x: {}}\nnonsense: true\n")
    assert store_settings(config, None).path == tmp_path / "data" / "r.db"
    assert open_records(config, None).place == str(tmp_path / "data" / "r.db")


def test_option_says_another_place_and_the_rest_is_as_configured(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: data/r.db, inline_bytes: 5}\n")
    other = store_settings(config, str(tmp_path / "other.db"))
    assert (other.path, other.inline_bytes) == (tmp_path / "other.db", 5)
    remote = store_settings(config, URL)
    assert (remote.url, remote.inline_bytes) == (URL, 5)
    config.write_text(f"store: {{url: '{URL}'}}\n")
    assert store_settings(config, str(tmp_path / "other.db")).url is None
    assert store_settings(config, None).url == URL


@pytest.mark.parametrize("content", ["", "store:\n", "store: {}\n", "store: {path: }\n"])
def test_record_lies_beside_a_configuration_that_does_not_say(tmp_path: Path, content: str) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text(f"gateway: {{}}\n{content}")
    assert store_settings(config, None).path == tmp_path / "callgate.db"


def test_path_from_the_environment_is_looked_up_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: '${env:RECORD_PATH}'}\n")
    monkeypatch.setenv("RECORD_PATH", "kept/r.db")
    assert store_settings(config, None).path == tmp_path / "kept" / "r.db"
    monkeypatch.delenv("RECORD_PATH")
    with pytest.raises(click.ClickException, match="RECORD_PATH"):
        store_settings(config, None)


def test_secret_that_is_only_needed_to_write_may_be_missing(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store: {path: r.db, signing_key: '${env:NO_SUCH_KEY_HERE}'}\n")
    found = store_settings(config, None)
    assert (found.path, found.signing_key) == (tmp_path / "r.db", None)


@pytest.mark.parametrize("content", ["store: {path: [", "[]", "store: {url: 'mysql://x/y'}"])
def test_unreadable_configuration_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text(content)
    with pytest.raises(click.ClickException, match=r"callgate\.yaml does not say where"):
        store_settings(config, None)
    with pytest.raises(click.ClickException, match="cannot be read"):
        store_settings(tmp_path / "gone.yaml", None)


def test_setting_that_cannot_be_used_is_named_with_its_place(tmp_path: Path) -> None:
    config = tmp_path / "callgate.yaml"
    config.write_text("store:\n  path: [1]\n")
    with pytest.raises(click.ClickException) as raised:
        store_settings(config, None)
    assert raised.value.message == (
        f"{config} does not say where the record is: callgate.yaml:2:3: store.path: must be a path"
    )


def test_without_configuration_the_record_is_looked_for_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        click.UsageError, match=r"neither callgate\.yaml nor callgate\.db: name one"
    ):
        store_settings(None, None)
    Path("callgate.db").touch()
    assert store_settings(None, None).path == Path("callgate.db")
    Path("callgate.yaml").write_text("store: {path: other.db}\n")
    assert store_settings(None, None).path == Path("other.db")


def test_options_take_a_file_that_is_there_or_a_url(tmp_path: Path) -> None:
    (tmp_path / "r.db").touch()

    @click.command()
    @store_options
    def shown(config: Path | None, store: str | None) -> None:
        click.echo(f"{config} {store}")

    def run(*words: str) -> str:
        return CliRunner().invoke(shown, words).output

    assert run() == "None None\n"
    assert run("--store", URL) == f"None {URL}\n"
    assert run("--store", str(tmp_path / "r.db")) == f"None {tmp_path / 'r.db'}\n"
    assert "does not exist" in run("--store", str(tmp_path / "gone.db"))
    assert StorePlace().convert(URL, None, None) == URL
