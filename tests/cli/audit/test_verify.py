import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callgate.audit.keys import COSIGNATURE, SigningKey
from callgate.cli.audit import audit
from callgate.storage.settings import StoreSettings
from fakes.filled import fill
from fakes.tampering import calls


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    return fill(tmp_path_factory.mktemp("record") / "r.db", calls(0, 200))


@pytest.fixture
def store(untouched: StoreSettings, tmp_path: Path) -> Path:
    for suffix in ("", "-key"):
        (tmp_path / f"r.db{suffix}").write_bytes(untouched.beside(suffix).read_bytes())
    return tmp_path / "r.db"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def change(store: Path, *statements: str) -> None:
    with closing(sqlite3.connect(store)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def key_of(store: Path) -> str:
    return run("key", "--store", store).stdout.strip()


def test_a_record_that_nobody_touched_holds(store: Path) -> None:
    result = run("verify", "--store", store)

    assert result.exit_code == 0
    assert result.stdout.startswith(f"{store}: all ")
    assert " records hold.\n  log 0: " in result.stdout
    assert "taken from beside the record" in result.stderr


def test_whoever_has_the_key_from_elsewhere_is_not_warned(store: Path) -> None:
    vkey = key_of(store)
    store.with_name("r.db-key").unlink()

    result = run("verify", "--store", store, "--key", vkey, "--strict")
    assert (result.exit_code, result.stderr) == (0, "")

    refused = run("verify", "--store", store)
    assert refused.exit_code == 2
    assert "give --key" in refused.stderr


def test_the_first_record_that_does_not_hold_is_named_and_cannot_fool_a_terminal(
    store: Path,
) -> None:
    change(
        store,
        f"UPDATE records SET principal = 'bob\x1b[2K' WHERE position = {(1 << 40) + 7}",
        f"DELETE FROM records WHERE position = {(1 << 40) + 300}",
    )
    result = run("verify", "--store", store, "--key", key_of(store))

    assert result.exit_code == 1
    assert result.stderr.splitlines()[0] == (
        f"{store}: record 1/7: its column principal was edited: it is 'bob\\x1b[2K', "
        "the body says 'ada'."
    )
    assert result.stdout == ""


def test_what_was_found_is_told_as_json(store: Path) -> None:
    change(store, f"UPDATE records SET body = '{{}}' WHERE position = {(1 << 40) + 7}")
    told: dict[str, Any] = json.loads(run("verify", "--store", store, "--json").stdout)

    assert told["holds"] is False
    assert (told["failures"][0]["log"], told["failures"][0]["seq"]) == (1, 7)
    assert told["failures"][0]["code"] == "record_edited"


def test_a_checkpoint_kept_elsewhere_shows_that_the_end_was_cut_off(store: Path) -> None:
    known = store.with_name("known.txt")
    known.write_text(run("checkpoint", "--store", store, "--all").stdout)
    assert run("verify", "--store", store, "--known", known).exit_code == 0

    shorter = fill(store.with_name("s.db"), calls(0, 10)).path
    store.with_name("r.db-key").rename(store.with_name("s.db-key"))
    result = run("verify", "--store", shorter, "--known", known)
    assert result.exit_code == 2 or "known.txt" in result.stderr


def test_a_bundle_is_verified_without_the_store(store: Path) -> None:
    vkey, bundle = key_of(store), store.with_name("b.jsonl")
    assert run("bundle", "--store", store, "--out", bundle).exit_code == 0
    assert bundle.stat().st_mode & 0o777 == 0o600
    store.unlink()

    assert run("verify", "--bundle", bundle).exit_code == 2
    assert run("verify", "--bundle", bundle, "--key", vkey, "--strict").exit_code == 0

    bundle.write_text(bundle.read_text().replace("refund", "donate", 1))
    assert run("verify", "--bundle", bundle, "--key", vkey).exit_code == 1


def test_witnesses_that_are_asked_for_must_have_seen_the_record(store: Path) -> None:
    witness = SigningKey.generated("witness.example", COSIGNATURE).verifier.text
    result = run("verify", "--store", store, "--witness", witness)

    assert result.exit_code == 1
    assert "no checkpoint of it is cosigned by 1 of the witnesses" in result.stderr
    assert run("verify", "--store", store, "--quorum", "2").exit_code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("--key", "nonsense"),
        ("--key", "a+b+c"),
        ("--key", SigningKey.generated("w", COSIGNATURE).verifier.text),
        ("--witness", SigningKey.generated("w").verifier.text),
        ("--known", "/nonexistent"),
        ("--bundle", "/nonexistent"),
    ],
)
def test_options_that_cannot_be_are_refused(store: Path, arguments: tuple[str, str]) -> None:
    assert run("verify", "--store", store, *arguments).exit_code == 2


def test_what_is_no_record_has_no_answer(tmp_path: Path) -> None:
    (tmp_path / "r.db").write_text("hello")
    (tmp_path / "known.txt").write_text("")

    assert run("verify", "--store", tmp_path / "r.db").exit_code == 2
    assert run("verify", "--bundle", tmp_path / "r.db", "--key", "x").exit_code == 2


def test_a_file_of_keys_is_read(store: Path) -> None:
    keys = store.with_name("keys.txt")
    keys.write_text(f"# the record of main\n\n{key_of(store)}\n")

    assert run("verify", "--store", store, "--key", keys).exit_code == 0


def test_the_witnesses_of_the_configuration_are_asked_for(store: Path) -> None:
    witness = SigningKey.generated("witness.example", COSIGNATURE).verifier.text
    config = store.with_name("callgate.yaml")
    config.write_text(
        "store: {path: r.db}\nwitnesses:\n  show_to:\n    - {name: a, file: seen.txt}\n"
        f'    - {{name: b, tlog: "https://w.example", key: "{witness}"}}\n'
    )
    result = run("verify", "--config", config)
    assert (result.exit_code, "cosigned by 1 of the witnesses" in result.stderr) == (1, True)
    assert run("verify", "--store", store).exit_code == 0

    config.write_text("store: {path: r.db}\nwitnesses: {show_to: [{key: x}]}\n")
    assert run("verify", "--config", config).exit_code == 2
    config.write_text("store: {path: r.db}\nwitnesses: 7\n")
    assert run("verify", "--config", config).exit_code == 0
