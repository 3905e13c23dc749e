import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from callgate.cli.config import config_commands
from callgate.config.schema import schema_text

CONFIG = """
identity:
  anonymous: true
  jwt: [{issuer: https://idp.example, audience: [callgate]}]
targets:
  web: {url: https://h.example/mcp, headers: {Authorization: "Bearer ${env:WEB_TOKEN}"}}
  git: {command: [git-mcp, "--token", "${env:WEB_TOKEN}"]}
interceptors:
  - {name: keys, redact: {}, on: [result, request]}
"""
POLICY = 'permit (principal, action in Callgate::Action::"{target}", resource);\n'


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "callgate.yaml").write_text(CONFIG)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "main.cedar").write_text(POLICY.format(target="web"))
    (tmp_path / "secrets.env").write_text("WEB_TOKEN=s3cret-value\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEB_TOKEN", raising=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(config_commands, arguments)


def test_check_says_what_would_run_without_any_secret(directory: Path) -> None:
    shown = run("check", "--env-file", "secrets.env")
    assert shown.exit_code == 0
    lines = [line.split(maxsplit=1) for line in shown.output.splitlines() if line.startswith("  ")]
    assert ["agents", "http://127.0.0.1:8080/mcp"] in lines
    assert ["identity", "tokens of https://idp.example; anonymous callers on this machine"] in lines
    assert ["targets", "web: url https://h.example/mcp"] in lines
    assert ["git:", "command git-mcp --token ${env:WEB_TOKEN}"] in lines
    assert ["policies", "1 in 1 file"] in lines
    assert ["interceptors", "keys (request and result)"] in lines
    assert "warning: Anonymous access is on" in shown.output
    assert "s3cret" not in shown.output


def test_check_says_everything_that_is_wrong_and_fails(directory: Path) -> None:
    (directory / "callgate.yaml").write_text("gatewy: {}\ntargets: {a_: {python: m}}\n")
    shown = run("check")
    assert shown.exit_code == 1
    assert shown.stderr.splitlines() == [
        "callgate.yaml:1:1: gatewy: unknown key; did you mean 'gateway'?",
        "callgate.yaml:2:11: targets.a_: a target's name must not contain ___ or end with `_`",
        "2 problems",
    ]


def test_check_fails_on_a_policy_that_is_no_cedar(directory: Path) -> None:
    (directory / "policies" / "main.cedar").write_text("permit (;")
    shown = run("check", "--env-file", "secrets.env")
    assert shown.exit_code == 1
    assert shown.stderr.startswith("main.cedar:1:9: not valid Cedar")


def test_check_warns_of_a_policy_about_a_target_that_is_not_there(directory: Path) -> None:
    (directory / "policies" / "main.cedar").write_text(POLICY.format(target="wbe___x"))
    shown = run("check", "--env-file", "secrets.env")
    assert shown.exit_code == 0
    assert "(main.cedar) is about 'wbe___x': no such target." in shown.output


def test_nothing_is_loaded_that_was_not_asked_for(directory: Path) -> None:
    (directory / ".env").write_text("WEB_TOKEN=x\n")
    (directory / "callgate.secrets.env").write_text("WEB_TOKEN=x\n")
    shown = run("check", "callgate.yaml")
    assert shown.exit_code == 1
    assert "the environment variable WEB_TOKEN is not set" in shown.stderr


def test_the_environment_wins_over_the_file(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_TOKEN", "bad\nheader")
    assert "targets.web.headers" in run("check", "--env-file", "secrets.env").stderr


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_show_prints_references_and_defaults_but_no_values(directory: Path, form: str) -> None:
    shown = run("show", "--env-file", "secrets.env", *(["--json"] if form == "json" else []))
    tree = json.loads(shown.output) if form == "json" else yaml.safe_load(shown.output)
    assert tree["targets"]["web"]["headers"] == {"Authorization": "Bearer ${env:WEB_TOKEN}"}
    assert tree["listeners"]["agents"]["port"] == 8080
    assert "s3cret" not in shown.output


def test_schema_prints_the_json_schema() -> None:
    assert run("schema").output == schema_text()
