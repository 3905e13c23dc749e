import json
from pathlib import Path
from typing import Any

import pytest

from callgate.config.clients import (
    Client,
    ClientConfig,
    ClientError,
    gateway_entry,
    read_client_config,
    with_gateway,
)

SERVER = {"command": "x"}
ENTRY = {"url": "http://127.0.0.1:8080/mcp"}


def a_config(
    directory: Path, name: str, document: Any, client: Client | None = None
) -> ClientConfig:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return read_client_config(path, client)


@pytest.mark.parametrize(
    ("name", "document", "client"),
    [
        ("claude_desktop_config.json", {"mcpServers": {"a": SERVER}}, Client.CLAUDE_DESKTOP),
        (".mcp.json", {"mcpServers": {"a": SERVER}}, Client.CLAUDE_CODE),
        (".claude.json", {"mcpServers": {"a": SERVER}}, Client.CLAUDE_CODE),
        (".cursor/mcp.json", {"mcpServers": {"a": SERVER}}, Client.CURSOR),
        (".vscode/mcp.json", {"servers": {"a": SERVER}}, Client.VSCODE),
        ("settings.json", {"mcp": {"servers": {"a": SERVER}}}, Client.VSCODE),
    ],
)
def test_a_client_is_known_by_its_file(
    tmp_path: Path, name: str, document: dict[str, Any], client: Client
) -> None:
    config = a_config(tmp_path, name, document)
    assert config.client is client
    assert [(server.name, server.definition) for server in config.servers] == [("a", SERVER)]


def test_an_unknown_file_needs_to_be_told_whose_it_is(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="add --client"):
        a_config(tmp_path, "mcp.json", {"mcpServers": {"a": SERVER}})
    config = a_config(tmp_path, "mcp.json", {"mcpServers": {"a": SERVER}}, Client.CURSOR)
    assert config.client is Client.CURSOR


def test_servers_of_projects_are_found_beside_the_users_own(tmp_path: Path) -> None:
    config = a_config(
        tmp_path,
        ".claude.json",
        {
            "mcpServers": {"a": SERVER},
            "projects": {
                "/p": {"mcpServers": {"b": SERVER, "c": SERVER}, "disabledMcpServers": ["c"]},
                "/q": {},
            },
        },
    )
    assert [(server.label, server.is_disabled) for server in config.servers] == [
        ("a", False),
        ("b (project /p)", False),
        ("c (project /p)", True),
    ]


@pytest.mark.parametrize("mark", [{"disabled": True}, {"enabled": False}])
def test_disabled_servers_are_known(tmp_path: Path, mark: dict[str, bool]) -> None:
    config = a_config(tmp_path, ".mcp.json", {"mcpServers": {"a": {**SERVER, **mark}}})
    assert config.servers[0].is_disabled


def test_comments_and_trailing_commas_are_understood(tmp_path: Path) -> None:
    text = '{ // servers\n "servers": {"a": {"command": "x",},}, }'
    assert a_config(tmp_path, ".vscode/mcp.json", text).servers[0].name == "a"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "no JSON object"),
        ({"mcpServers": {}}, "configures no MCP servers"),
        ({"mcpServers": []}, "configures no MCP servers"),
        ({"mcpServers": {"a": 5}}, "the server 'a' is not an object"),
        ('{"mcpServers": {"a": {}, "a": {}}}', "appears twice"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, document: Any, problem: str) -> None:
    with pytest.raises(ClientError, match=problem):
        a_config(tmp_path, ".mcp.json", document)


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ClientError, match="No such file"):
        read_client_config(tmp_path / "none.json")


def test_the_gateway_stands_where_the_servers_were_and_the_rest_stays(tmp_path: Path) -> None:
    config = a_config(
        tmp_path,
        ".claude.json",
        {
            "theme": "dark",
            "mcpServers": {"a": SERVER, "old": {"type": "sse"}},
            "projects": {"/p": {"mcpServers": {"b": SERVER}, "history": [1]}, "/q": {"x": 1}},
        },
    )
    moved = tuple(server for server in config.servers if server.name != "old")
    assert with_gateway(config, moved, ENTRY) == {
        "theme": "dark",
        "mcpServers": {"old": {"type": "sse"}, "callgate": ENTRY},
        "projects": {"/p": {"mcpServers": {"callgate": ENTRY}, "history": [1]}, "/q": {"x": 1}},
    }
    assert config.document["mcpServers"]["a"] == SERVER  # the original is left alone


def test_a_server_that_has_our_name_keeps_it(tmp_path: Path) -> None:
    servers = {"a": SERVER, "callgate": {"type": "sse"}}
    config = a_config(tmp_path, ".mcp.json", {"mcpServers": servers})
    assert with_gateway(config, config.servers[:1], ENTRY) == {
        "mcpServers": {"callgate": {"type": "sse"}, "callgate-gateway": ENTRY}
    }


def test_each_client_is_told_in_its_own_words() -> None:
    url, command = "http://127.0.0.1:8080/mcp", ["/bin/callgate", "wrap", "--config", "/c.yaml"]
    assert {client: gateway_entry(client, url, command) for client in Client} == {
        Client.CLAUDE_DESKTOP: {"command": "/bin/callgate", "args": command[1:]},
        Client.CLAUDE_CODE: {"type": "http", "url": url},
        Client.CURSOR: {"url": url},
        Client.VSCODE: {"type": "http", "url": url},
    }
