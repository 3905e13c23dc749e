from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from callgate.audit.keys import COSIGNATURE, SigningKey, VerifierKey
from callgate.audit.rotation import read_keys
from callgate.cli.audit import audit
from callgate.storage.settings import StoreSettings
from fakes.clock import FakeClock
from fakes.filled import fill
from fakes.tampering import calls
from fakes.writing import an_appender


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return fill(tmp_path / "r.db", calls(0, 20))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def shown(settings: StoreSettings) -> list[VerifierKey]:
    said = run("key", "--store", settings.path).stdout
    return [VerifierKey.parse(line) for line in said.splitlines()]


def test_the_public_keys_are_shown_and_no_private_one(settings: StoreSettings) -> None:
    (key,) = shown(settings)
    (private,) = read_keys(settings.key_file.read_text(), key.name)

    assert private.verifier == key
    assert "PRIVATE" not in run("key", "--store", settings.path).output


def test_a_key_is_followed_by_another_that_the_first_vouches_for(settings: StoreSettings) -> None:
    (first,) = shown(settings)
    rotated = run("key", "rotate", "--store", settings.path)
    assert rotated.exit_code == 0
    second = VerifierKey.parse(rotated.stdout)
    assert shown(settings) == [first, second]
    assert settings.key_file.stat().st_mode & 0o777 == 0o600

    too_early = run("key", "retire", "--store", settings.path)
    assert (too_early.exit_code, "no checkpoint is signed by" in too_early.stderr) == (1, True)

    fill(settings.path, calls(100, 110))
    assert run("key", "retire", "--store", settings.path).exit_code == 0
    assert shown(settings) == [second]

    fill(settings.path, calls(200, 210))
    for key in (first, second):
        verified = run("verify", "--store", settings.path, "--key", key.text, "--strict")
        assert (verified.exit_code, verified.stderr) == (0, "")
    assert run("key", "retire", "--store", settings.path).exit_code == 1


def test_no_key_is_retired_that_has_yet_to_sign_what_another_gateway_left(
    settings: StoreSettings,
) -> None:
    clock = FakeClock()
    other = an_appender(settings, clock)
    other.write([*calls(50, 60)])
    clock.advance(settings.checkpoint_seconds)
    other.tend()
    other.write([*calls(60, 65)])  # signed by nobody yet
    assert run("key", "rotate", "--store", settings.path).exit_code == 0
    fill(settings.path, calls(100, 110))  # has a log of its own, and signs with both
    refused = run("key", "retire", "--store", settings.path)
    assert (refused.exit_code, "log 1 goes on behind" in refused.stderr) == (1, True)

    other.close()
    assert run("key", "retire", "--store", settings.path).exit_code == 0
    fill(settings.path, calls(200, 210))
    assert run("verify", "--store", settings.path, "--strict").exit_code == 0


def test_not_too_many_keys_sign_at_once(settings: StoreSettings) -> None:
    codes = [run("key", "rotate", "--store", settings.path).exit_code for _ in range(8)]

    assert codes == [0] * 7 + [1]


@pytest.mark.parametrize("kind", [(), ("--witness",)])
def test_a_new_key_is_printed_or_written_for_its_owner(
    tmp_path: Path, kind: tuple[str, ...]
) -> None:
    printed = run("key", "new", "records.example.com/a", *kind)
    key = SigningKey.parse(printed.stdout)
    assert key.verifier.name == "records.example.com/a"
    assert (key.verifier.algorithm == COSIGNATURE) == bool(kind)
    assert key.verifier.text in printed.stderr

    out = tmp_path / "key"
    assert run("key", "new", "a", *kind, "--out", out).exit_code == 0
    assert SigningKey.parse(out.read_text()).verifier.name == "a"
    assert out.stat().st_mode & 0o777 == 0o600
    assert run("key", "new", "a", *kind, "--out", out).exit_code == 1


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a/", "x" * 300])
def test_a_key_has_a_name_that_notes_can_have(name: str) -> None:
    assert run("key", "new", "--", name).exit_code == 2


def test_options_of_the_record_stand_behind_the_command(settings: StoreSettings) -> None:
    assert run("key", "--store", settings.path, "rotate").exit_code == 2


def test_a_key_that_is_given_by_reference_is_changed_there(
    settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECORD_KEY", settings.key_file.read_text())
    config = tmp_path / "callgate.yaml"
    config.write_text("store:\n  path: r.db\n  signing_key: ${env:RECORD_KEY}\n")

    result = run("key", "rotate", "--config", config)
    assert (result.exit_code, "on a line of its own" in result.stderr) == (1, True)
