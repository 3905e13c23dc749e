"""MCP clients' own configurations: which servers they start, and the same with one gateway."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from callgate.config.jsonc import JsoncError, has_comments, read_jsonc
from callgate.model import Json, Value

GATEWAY_NAME = "callgate"


class Client(StrEnum):
    """An MCP client whose configuration we can read."""

    CLAUDE_DESKTOP = "claude-desktop"
    CLAUDE_CODE = "claude-code"
    CURSOR = "cursor"
    VSCODE = "vscode"


class ClientError(Exception):
    """A client's configuration cannot be used; the message says why."""


class Server(Value):
    """One server, as the client's configuration has it."""

    section: tuple[str, ...]  # keys that lead to the mapping it is in
    name: str
    definition: dict[str, Json]
    is_disabled: bool = False

    @property
    def label(self) -> str:
        """What to call it in a message."""
        project = f" (project {self.section[1]})" if self.section[0] == "projects" else ""
        return f"{self.name}{project}"


class ClientConfig(Value):
    """A client's configuration file."""

    path: Path
    client: Client
    document: dict[str, Json]
    servers: tuple[Server, ...]
    has_comments: bool = False  # and so loses them when it is written again


def read_client_config(path: Path, client: Client | None = None) -> ClientConfig:
    """Reads a client's configuration; whose it is follows from its name where not said.

    Raises ClientError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = read_jsonc(text)
    except OSError as error:
        raise ClientError(f"{path} cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ClientError(f"{path} is not UTF-8 text") from None
    except JsoncError as error:
        raise ClientError(f"{path}: {error}") from None
    if not isinstance(document, dict):
        raise ClientError(f"{path} is not the configuration of an MCP client: no JSON object")
    client = client or _client_of(path, document)
    servers = tuple(_servers(document, client, path))
    if not servers:
        raise ClientError(f"{path} configures no MCP servers")
    return ClientConfig(
        path=path,
        client=client,
        document=document,
        servers=servers,
        has_comments=has_comments(text),
    )


def with_gateway(
    config: ClientConfig, moved: tuple[Server, ...], entry: dict[str, Json]
) -> dict[str, Json]:
    """The document in which one entry stands for all servers that moved behind the gateway.

    Every mapping that held such a server holds the entry instead; all else is left as it was.
    """
    document: dict[str, Json] = copy.deepcopy(config.document)
    for section in dict.fromkeys(server.section for server in moved):
        names = {server.name for server in moved if server.section == section}
        mapping = _at(document, section)
        kept = {name: value for name, value in mapping.items() if name not in names}
        name = GATEWAY_NAME
        while name in kept:
            name += "-gateway"
        mapping.clear()
        mapping.update({**kept, name: entry})
    return document


def gateway_entry(client: Client, url: str, command: list[str]) -> dict[str, Json]:
    """How a client is told about the gateway: by URL, or as a command where it knows no URLs."""
    match client:
        case Client.CLAUDE_DESKTOP:
            return {"command": command[0], "args": command[1:]}
        case Client.CURSOR:
            return {"url": url}
        case _:
            return {"type": "http", "url": url}


def _client_of(path: Path, document: dict[str, Json]) -> Client:
    nested = document.get("mcp")
    if "servers" in document or (isinstance(nested, dict) and "servers" in nested):
        return Client.VSCODE
    if path.name == "claude_desktop_config.json":
        return Client.CLAUDE_DESKTOP
    if path.parent.name == ".cursor":
        return Client.CURSOR
    if path.name in (".mcp.json", ".claude.json"):
        return Client.CLAUDE_CODE
    choices = ", ".join(client.value for client in Client)
    raise ClientError(f"{path}: cannot tell which client reads it; add --client ({choices})")


def _sections(document: dict[str, Json], client: Client) -> Iterator[tuple[str, ...]]:
    if client is Client.VSCODE:
        yield ("servers",)
        yield ("mcp", "servers")
        return
    yield ("mcpServers",)
    projects = document.get("projects")
    if client is Client.CLAUDE_CODE and isinstance(projects, dict):
        for project in projects:
            yield ("projects", project, "mcpServers")


def _servers(document: dict[str, Json], client: Client, path: Path) -> Iterator[Server]:
    for section in _sections(document, client):
        mapping = _at(document, section)
        disabled = _at(document, section[:-1]).get("disabledMcpServers")
        disabled = disabled if section[0] == "projects" and isinstance(disabled, list) else []
        for name, definition in mapping.items():
            if not isinstance(definition, dict):
                raise ClientError(f"{path}: the server {name!r} is not an object")
            is_disabled = (
                definition.get("disabled") is True
                or definition.get("enabled") is False
                or name in disabled
            )
            yield Server(section=section, name=name, definition=definition, is_disabled=is_disabled)


def _at(document: dict[str, Json], section: tuple[str, ...]) -> dict[str, Any]:
    """The mapping a section leads to; an empty one where there is none."""
    value: Json = document
    for key in section:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
