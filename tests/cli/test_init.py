import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from callgate.cli.init import init
from callgate.config import load_config
from callgate.config.env_file import read_env_file
from callgate.policy.source import read_policies

KEY = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
DESKTOP = {
    "theme": "dark",
    "mcpServers": {
        "git hub": {"command": "docker", "args": ["run"], "env": {"GITHUB_TOKEN": KEY}},
        "files": {"command": "npx", "args": ["-y", "server-filesystem", "/srv"]},
        "off": {"command": "x", "disabled": True},
    },
}
CURSOR = {
    "mcpServers": {"linear": {"url": "https://l.example/mcp", "headers": {"X-Api-Key": "abc"}}}
}
VSCODE = """{
  // what the editor asks for
  "inputs": [{"id": "gh", "type": "promptString", "password": true}],
  "servers": {
    "gh": {"type": "http", "url": "https://g.example/mcp",
           "headers": {"Authorization": "Bearer ${input:gh}"}},
    "old": {"type": "ws", "url": "wss://o.example/ws"},
  }
}"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(init, [str(argument) for argument in arguments])


def a_file(directory: Path, name: str, document: Any) -> Path:
    path = directory.parent / "client" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_without_a_client_an_example_is_written_that_runs(directory: Path) -> None:
    shown = run()
    assert shown.exit_code == 0, shown.output
    assert files(directory) == {
        "callgate.yaml",
        "policies/starter.cedar",
        "callgate.schema.json",
        "shop.py",
    }
    config = load_config(directory / "callgate.yaml", {})
    assert list(config.targets) == ["shop"]
    assert config.listeners.agents.host == "127.0.0.1"
    assert "callgate run" in shown.output


def test_nothing_is_overwritten_unless_asked_for(directory: Path) -> None:
    (directory / "policies").mkdir()
    (directory / "policies" / "starter.cedar").write_text("mine")
    shown = run()
    assert shown.exit_code == 1
    assert "policies/starter.cedar already there; add --force" in shown.output
    assert files(directory) == {"policies/starter.cedar"}
    assert run("--force").exit_code == 0
    assert (directory / "policies" / "starter.cedar").read_text() != "mine"


def test_another_directory_may_be_named(directory: Path) -> None:
    shown = run("deep/er")
    assert "callgate run --config deep/er/callgate.yaml" in shown.output
    assert "callgate.yaml" in files(directory / "deep" / "er")


def test_servers_of_claude_desktop_move_behind_the_gateway(directory: Path) -> None:
    source = a_file(directory, "claude_desktop_config.json", DESKTOP)
    before = source.read_text()
    shown = run("--from", source)
    assert shown.exit_code == 0, shown.output
    secrets = read_env_file(directory / "callgate.secrets.env")
    assert secrets == {"CALLGATE_GIT_HUB_GITHUB_TOKEN": KEY}
    assert (directory / "callgate.secrets.env").stat().st_mode & 0o777 == 0o600
    config = load_config(directory / "callgate.yaml", secrets)
    assert config.shown["targets"]["git-hub"]["command"] == ["docker", "run"]
    assert list(config.targets) == ["git-hub", "files"]
    assert KEY not in (directory / "callgate.yaml").read_text() + shown.output
    assert "git hub is the target git-hub." in shown.output
    assert "off is disabled: it was left where it is." in shown.output
    assert source.read_text() == before
    changed = json.loads(source.with_name(f"{source.name}.callgate.json").read_text())
    assert changed["theme"] == "dark"
    assert set(changed["mcpServers"]) == {"off", "callgate"}
    entry = changed["mcpServers"]["callgate"]
    assert Path(entry["command"]).is_absolute()
    assert entry["args"][-5:] == [
        "wrap",
        "--config",
        str(directory / "callgate.yaml"),
        "--env-file",
        str(directory / "callgate.secrets.env"),
    ]


def test_everything_that_worked_is_still_permitted_to_callers_on_this_machine(
    directory: Path,
) -> None:
    run("--from", a_file(directory, "claude_desktop_config.json", DESKTOP))
    policies = read_policies(
        [("starter.cedar", (directory / "policies" / "starter.cedar").read_text())]
    )
    assert [policy.actions for policy in policies] == [("git-hub",), ("files",)]
    assert {policy.principal.entity_type for policy in policies} == {
        "Callgate::UnauthenticatedUser"
    }


def test_a_client_that_knows_urls_gets_the_url(directory: Path) -> None:
    source = a_file(directory, ".cursor/mcp.json", CURSOR)
    shown = run("--from", source)
    changed = json.loads(source.with_name("mcp.json.callgate.json").read_text())
    assert changed == {"mcpServers": {"callgate": {"url": "http://127.0.0.1:8080/mcp"}}}
    assert "callgate run --env-file callgate.secrets.env" in shown.output


def test_what_the_editor_would_ask_for_must_be_filled_in(directory: Path) -> None:
    source = a_file(directory, ".vscode/mcp.json", VSCODE)
    shown = run("--from", source)
    assert shown.exit_code == 0, shown.output
    assert "fill in CALLGATE_INPUT_GH in callgate.secrets.env" in shown.output
    assert "old has the type 'ws'" in shown.output
    assert "DO NOT pass the gateway" in shown.output
    assert "comments" in shown.output
    changed = json.loads(source.with_name("mcp.json.callgate.json").read_text())
    assert changed["servers"] == {
        "old": {"type": "ws", "url": "wss://o.example/ws"},
        "callgate": {"type": "http", "url": "http://127.0.0.1:8080/mcp"},
    }
    assert len(changed["inputs"]) == 1


def test_write_replaces_the_clients_file_and_keeps_a_copy(directory: Path) -> None:
    source = a_file(directory, ".cursor/mcp.json", CURSOR)
    source.chmod(0o640)
    shown = run("--from", source, "--write")
    assert shown.exit_code == 0, shown.output
    assert json.loads(source.read_text())["mcpServers"].keys() == {"callgate"}
    assert source.stat().st_mode & 0o777 == 0o640
    assert json.loads(source.with_name("mcp.json.before-callgate").read_text()) == CURSOR
    again = run("--from", source, "--write", "--force")
    assert again.exit_code == 1
    assert "callgate is Callgate already." in again.output


def test_secrets_found_before_are_never_lost(directory: Path) -> None:
    (directory / "callgate.secrets.env").write_text("OTHER=1\nCALLGATE_INPUT_GH=filled-in\n")
    run("--from", a_file(directory, ".vscode/mcp.json", VSCODE))
    found = read_env_file(directory / "callgate.secrets.env")
    assert found == {"OTHER": "1", "CALLGATE_INPUT_GH": "filled-in"}
    run("--from", a_file(directory, ".cursor/mcp.json", CURSOR), "--force")
    found = read_env_file(directory / "callgate.secrets.env")
    assert found["CALLGATE_INPUT_GH"] == "filled-in"
    assert found["CALLGATE_LINEAR_X_API_KEY"] == "abc"


def test_what_the_person_has_to_correct_is_said(directory: Path) -> None:
    server = {"url": "https://user:pw@h.example/mcp"}
    shown = run("--from", a_file(directory, ".mcp.json", {"mcpServers": {"w": server}}))
    assert shown.exit_code == 0
    assert "To correct in callgate.yaml before it can run:" in shown.stderr
    assert "targets.w.url" in shown.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--write"], "--client and --write belong to --from"),
        (["--client", "cursor"], "--client and --write belong to --from"),
        (["--from", "none.json"], "cannot be read"),
        (["--from", "x.json", "--client", "emacs"], "emacs"),
    ],
)
def test_what_makes_no_sense_is_refused(
    directory: Path, arguments: list[str], problem: str
) -> None:
    shown = run(*arguments)
    assert shown.exit_code != 0
    assert problem in shown.output
    assert os.listdir(directory) == []


def test_a_client_without_servers_that_can_move_changes_nothing(directory: Path) -> None:
    source = a_file(
        directory, ".mcp.json", {"mcpServers": {"a": {"command": "x", "disabled": True}}}
    )
    shown = run("--from", source)
    assert shown.exit_code == 1
    assert "a is disabled" in shown.output
    assert files(directory) == set()
    assert os.listdir(source.parent) == [".mcp.json"]
