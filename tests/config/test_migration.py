import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from callgate.config.clients import read_client_config
from callgate.config.migration import Migration, migrate, target_name
from callgate.config.tree import TargetName

HOME = Path("/home/me")
GATEWAY = "http://127.0.0.1:8080/mcp"


def migrated(directory: Path, name: str, document: dict[str, Any]) -> Migration:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return migrate(read_client_config(path), environ={}, home=HOME, gateway_url=GATEWAY)


def of_desktop(directory: Path, **servers: dict[str, Any]) -> Migration:
    return migrated(directory, "claude_desktop_config.json", {"mcpServers": servers})


def test_a_command_becomes_a_stdio_target(tmp_path: Path) -> None:
    found = of_desktop(
        tmp_path,
        github={
            "command": "docker",
            "args": ["run", 5, True],
            "env": {"GITHUB_TOKEN": "abc", "LEVEL": 3},
            "cwd": "/srv",
        },
    )
    assert found.targets == {
        "github": {
            "command": ["docker", "run", "5", "true"],
            "env": {"GITHUB_TOKEN": "${env:CALLGATE_GITHUB_GITHUB_TOKEN}", "LEVEL": "3"},
            "cwd": "/srv",
        }
    }
    assert found.secrets == {"CALLGATE_GITHUB_GITHUB_TOKEN": "abc"}
    assert found.notes == ()


def test_a_url_becomes_an_http_target(tmp_path: Path) -> None:
    headers = {"Authorization": "Bearer abc", "Accept": "*/*", "Mcp-X": "y", "X-Team": "core"}
    found = migrated(
        tmp_path,
        ".mcp.json",
        {"mcpServers": {"web": {"type": "http", "url": "https://h/mcp", "headers": headers}}},
    )
    assert found.targets == {
        "web": {
            "url": "https://h/mcp",
            "headers": {
                "Authorization": "Bearer ${env:CALLGATE_WEB_AUTHORIZATION}",
                "X-Team": "core",
            },
        }
    }
    assert found.notes == (
        "web: the gateway itself sets the header Accept.",
        "web: the gateway itself sets the header Mcp-X.",
    )


def test_a_server_without_credentials_may_have_been_signed_in_to(tmp_path: Path) -> None:
    found = of_desktop(tmp_path, web={"url": "https://h/mcp"})
    assert "web has no credentials here." in found.notes[0]


@pytest.mark.parametrize(
    ("definition", "note"),
    [
        ({"command": "x", "disabled": True}, "s is disabled: it was left where it is."),
        ({"type": "ws", "url": "wss://h"}, "s has the type 'ws', which is not supported"),
        ({}, "s has neither a command nor a url"),
        ({"command": 5}, "s has neither a command nor a url"),
        ({"url": GATEWAY}, "s is Callgate already."),
        ({"command": "/b/callgate", "args": ["wrap"]}, "s is Callgate already."),
    ],
)
def test_a_server_that_cannot_move_stays_and_is_noted(
    tmp_path: Path, definition: dict[str, Any], note: str
) -> None:
    found = of_desktop(tmp_path, s=definition)
    assert (found.targets, found.moved) == ({}, ())
    assert found.notes[0].startswith(note)


@pytest.mark.parametrize("more", [{}, {"type": "sse"}, {"type": "http"}])
def test_a_server_of_any_http_transport_moves(tmp_path: Path, more: dict[str, Any]) -> None:
    found = of_desktop(tmp_path, s={"url": "https://h/sse", "headers": {"X-T": "1"}, **more})
    assert found.targets == {"s": {"url": "https://h/sse", "headers": {"X-T": "1"}}}


def test_what_has_no_counterpart_is_noted(tmp_path: Path) -> None:
    found = of_desktop(
        tmp_path, s={"command": "x", "type": "stdio", "timeout": 5, "autoApprove": []}
    )
    assert found.notes == ("s: autoApprove, timeout was not carried over.",)


def test_a_server_of_a_project_runs_in_it(tmp_path: Path) -> None:
    document = {"mcpServers": {"a": {"command": "x"}}}
    assert migrated(tmp_path, ".mcp.json", document).targets["a"]["cwd"] == str(tmp_path)
    assert migrated(tmp_path, ".cursor/mcp.json", document).targets["a"]["cwd"] == str(tmp_path)
    assert "cwd" not in migrated(tmp_path, ".claude.json", document).targets["a"]


def test_servers_of_two_projects_stay_apart_unless_they_are_the_same(tmp_path: Path) -> None:
    same, other = {"url": "https://h/mcp"}, {"command": "other"}
    found = migrated(
        tmp_path,
        ".claude.json",
        {
            "mcpServers": {"web": same},
            "projects": {
                "/p": {"mcpServers": {"db": {"command": "db"}}},
                "/q": {"mcpServers": {"db": other, "db ": other}},
            },
        },
    )
    assert found.targets == {
        "web": same,
        "db": {"command": ["db"], "cwd": "/p"},
        "db-2": {"command": ["other"], "cwd": "/q"},
        "db-3": {"command": ["other"], "cwd": "/q"},
    }
    assert len(found.moved) == 4
    assert any(note.startswith("db was for /p only;") for note in found.notes)


def test_an_env_file_is_read_in(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LEVEL=3\nAPI_TOKEN=abc\n")
    server = {"command": "x", "envFile": "${workspaceFolder}/.env", "env": {"LEVEL": "4"}}
    found = migrated(tmp_path, ".vscode/mcp.json", {"servers": {"a": server}})
    assert found.targets["a"]["env"] == {"LEVEL": "4", "API_TOKEN": "${env:CALLGATE_A_API_TOKEN}"}
    missing = {"command": "x", "envFile": "none.env"}
    found = migrated(tmp_path, ".vscode/mcp.json", {"servers": {"a": missing}})
    assert any("envFile was not carried over" in note for note in found.notes)


@given(st.lists(st.text(max_size=80), max_size=6))
def test_any_names_become_valid_and_different_ones(names: list[str]) -> None:
    taken: dict[str, None] = {}
    for name in [*names, "CallTool", "a___b", "a b", "a-b", "_x_"]:
        found = target_name(name, taken)
        TypeAdapter(TargetName).validate_python(found)
        assert found not in taken
        taken[found] = None


@pytest.mark.parametrize("name", ["github", "a_b", "My.Server-2"])
def test_a_name_that_is_valid_stays(name: str) -> None:
    assert target_name(name, {}) == name
