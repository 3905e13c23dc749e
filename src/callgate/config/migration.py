"""A client's servers → our targets, with the secrets taken out and every difference noted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from callgate.config.client_texts import ClientTexts
from callgate.config.clients import Client, ClientConfig, Server
from callgate.config.env_file import EnvFileError, read_env_file
from callgate.config.references import escaped
from callgate.config.secrets import is_secret_name
from callgate.config.tree import MAX_TARGET_NAME_CHARACTERS, RESERVED_TARGET_NAMES
from callgate.model import Json, Value
from callgate.upstream.mcp_http import RESERVED_HEADERS

_CARRIED = {
    "stdio": frozenset({"command", "args", "env", "envFile", "cwd"}),
    "http": frozenset({"url", "headers"}),
}
_WITHOUT_MEANING = frozenset(
    {"type", "transport", "disabled", "enabled", "description", "name", "gallery", "version"}
)
_HTTP_TYPES = frozenset(
    {None, "http", "streamable-http", "streamableHttp", "streamable_http", "sse"}
)
_BYPASS = "it was left where it is, and its calls DO NOT pass the gateway."


class Migration(Value):
    """What became of a client's servers."""

    targets: dict[str, dict[str, Json]]  # as callgate.yaml has them
    secrets: dict[str, str]  # variable → value; empty where a person must fill it in
    moved: tuple[Server, ...]  # servers that are targets now
    notes: tuple[str, ...]  # differences, for a person to read


def migrate(
    config: ClientConfig, *, environ: Mapping[str, str], home: Path, gateway_url: str
) -> Migration:
    """The targets that stand for the client's servers."""
    migrator = _Migrator(config, environ, home, gateway_url)
    for server in config.servers:
        migrator.add(server)
    if config.client is not Client.CLAUDE_DESKTOP and any(
        "command" in target for target in migrator.targets.values()
    ):
        migrator.notes.append(
            "The gateway starts servers with a clean environment (PATH, HOME and the like): what "
            "they took from the client's own must be named under `env`."
        )
    return Migration(
        targets=migrator.targets,
        secrets=migrator.secrets,
        moved=tuple(migrator.moved),
        notes=tuple(dict.fromkeys(migrator.notes)),
    )


def target_name(name: str, taken: Mapping[str, Any]) -> str:
    """A valid target name that nobody has yet, as near to the given one as can be."""
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
    plain = re.sub(r"_{3,}", "__", plain).lstrip("_.-")
    plain = plain[: MAX_TARGET_NAME_CHARACTERS - 4].rstrip("_.-") or "server"
    number, candidate = 1, plain
    while candidate in taken or candidate in RESERVED_TARGET_NAMES:
        number += 1
        candidate = f"{plain}-{number}"
    return candidate


def workspace_of(config: ClientConfig, server: Server, home: Path) -> Path | None:
    """The project a server belongs to; None where it is the user's, in every project."""
    if server.section[0] == "projects":
        return Path(server.section[1])
    folder = config.path.parent
    if folder.name in (".vscode", ".cursor"):
        return None if folder.parent == home else folder.parent
    return folder if config.path.name == ".mcp.json" else None


class _Migrator:
    def __init__(
        self, config: ClientConfig, environ: Mapping[str, str], home: Path, gateway_url: str
    ) -> None:
        self._config = config
        self._environ = environ
        self._home = home
        self._gateway_url = gateway_url
        self._known: list[tuple[Server, Path | None]] = []
        self.targets: dict[str, dict[str, Json]] = {}
        self.secrets: dict[str, str] = {}
        self.moved: list[Server] = []
        self.notes: list[str] = []

    def add(self, server: Server) -> None:
        """Makes a target of a server, or notes why not."""
        kind = self._kind(server)
        if kind is None:
            return
        self.moved.append(server)
        workspace = workspace_of(self._config, server, self._home)
        if any(
            (known.name, known.definition, place) == (server.name, server.definition, workspace)
            for known, place in self._known
        ):
            return
        self._known.append((server, workspace))
        name = target_name(server.name, self.targets)
        if name != server.name:
            self.notes.append(f"{server.label} is the target {name}.")
        if server.section[0] == "projects":
            self.notes.append(
                f"{name} was for {workspace} only; any client of the gateway may reach it now, "
                "as policies/ permits."
            )
        lost = sorted(server.definition.keys() - _CARRIED[kind] - _WITHOUT_MEANING)
        if lost:
            self.notes.append(f"{server.label}: {', '.join(lost)} was not carried over.")
        texts = ClientTexts(self._config.client, workspace or self._home, self._environ, self._home)
        texts.secrets = self.secrets
        convert = self._stdio if kind == "stdio" else self._http
        self.targets[name] = convert(server, name, texts)

    def _kind(self, server: Server) -> str | None:
        definition = server.definition
        url, of_type = definition.get("url"), definition.get("type", definition.get("transport"))
        if server.is_disabled:
            note = "is disabled: it was left where it is."
        elif isinstance(definition.get("command"), str):
            if not _is_gateway(definition):
                return "stdio"
            note = "is Callgate already."
        elif not isinstance(url, str):
            note = f"has neither a command nor a url: {_BYPASS}"
        elif url == self._gateway_url:
            note = "is Callgate already."
        elif of_type not in _HTTP_TYPES:
            note = f"has the type {of_type!r}, which is not supported: {_BYPASS}"
        else:
            return "http"
        self.notes.append(f"{server.label} {note}")
        return None

    def _stdio(self, server: Server, name: str, texts: ClientTexts) -> dict[str, Json]:
        definition = server.definition
        arguments = [_text(argument) for argument in definition.get("args") or ()]
        target: dict[str, Json] = {
            "command": [
                texts.value(definition["command"], name, "COMMAND"),
                *texts.arguments(arguments, name),
            ]
        }
        env = {**self._env_file(server, name, texts), **(definition.get("env") or {})}
        if env:
            target["env"] = {
                key: texts.value(_text(value), name, key, is_secret=is_secret_name(key))
                for key, value in env.items()
            }
        workspace = workspace_of(self._config, server, self._home)
        if isinstance(definition.get("cwd"), str):
            target["cwd"] = texts.value(definition["cwd"], name, "CWD")
        elif workspace is not None:
            target["cwd"] = escaped(str(workspace))
        return target

    def _http(self, server: Server, name: str, texts: ClientTexts) -> dict[str, Json]:
        target: dict[str, Json] = {"url": texts.url(server.definition["url"], name)}
        headers: dict[str, Json] = {}
        for key, value in (server.definition.get("headers") or {}).items():
            if key.lower() in RESERVED_HEADERS or key.lower().startswith("mcp-"):
                self.notes.append(f"{server.label}: the gateway itself sets the header {key}.")
            else:
                is_secret = is_secret_name(key)
                headers[key] = texts.value(_text(value), name, key, is_secret=is_secret)
        if headers:
            target["headers"] = headers
        if not any(is_secret_name(key) for key in headers) and target["url"] == escaped(
            server.definition["url"]
        ):
            self.notes.append(
                f"{server.label} has no credentials here. If the client signs in to it (OAuth), "
                "the gateway cannot do that yet: add a token under `headers`."
            )
        return target

    def _env_file(self, server: Server, name: str, texts: ClientTexts) -> dict[str, Json]:
        written = server.definition.get("envFile")
        if not isinstance(written, str):
            return {}
        path = Path(texts.value(written, name, "ENV_FILE").replace("$${", "${"))
        workspace = workspace_of(self._config, server, self._home)
        try:
            return dict(read_env_file((workspace or self._config.path.parent) / path))
        except EnvFileError as error:
            self.notes.append(f"{server.label}: envFile was not carried over: {error}.")
            return {}


def _is_gateway(definition: dict[str, Json]) -> bool:
    """Whether the command is ours: putting the gateway behind itself would never end."""
    program = Path(definition["command"]).name
    return program.startswith("callgate") and "wrap" in (definition.get("args") or ())


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
