"""Reads callgate.yaml into a Config, or says everything that is wrong with it at once."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from callgate.config.problems import ConfigError, Problem
from callgate.config.problems import Path as KeyPath
from callgate.config.references import Resolved, resolve
from callgate.config.secrets import literal_secrets
from callgate.config.source import read_yaml
from callgate.config.tree import Config, Origin
from callgate.config.validation import problems_of
from callgate.identity.anonymous import AnonymousAuthenticator
from callgate.identity.signing_keys import IssuerError, read_key_file
from callgate.interceptors.beside import files_of, files_of_script, may_appear
from callgate.interceptors.settings import InterceptorSettings
from callgate.protocol.origins import is_loopback
from callgate.sources import files
from callgate.storage.postgres_url import is_unverified
from callgate.upstream.mcp_http import HttpTargetSettings

EXAMPLE = "policies/*.cedar"
MAX_CONFIG_BYTES = 4 << 20
T = TypeVar("T")


def load_config(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file. Raises ConfigError with every problem found.

    `environ` is where `${env:NAME}` looks; the environment of the process where left out.
    """
    file = Path(os.path.abspath(path.expanduser()))
    name = file.name
    content = _content(file, name)
    written = read_yaml(_text(content, name), name)
    resolved = resolve(written, name, file.parent, os.environ if environ is None else environ)
    problems = [*resolved.problems, *literal_secrets(resolved.root, name)]
    try:
        config = Config.model_validate(resolved.root.plain())
    except ValidationError as error:
        raise ConfigError([*problems, *problems_of(error, Config, resolved, name)]) from None
    config = anchored(config, file.parent)
    for key_path, message in _unusable_files(config, file.parent):
        place = resolved.root.place(key_path)
        problems.append(Problem.at(name, place, key_path, resolved.redacted(message)))
    if problems:
        raise ConfigError(problems)
    policy_files = files.find(config.policies.files, file.parent)
    config._origin = Origin(
        file=file,
        digest=hashlib.sha256(content).hexdigest(),
        policy_files=policy_files,
        depends_on=frozenset(_depends_on(config, file, policy_files, resolved)),
        warnings=tuple(_warnings(config, policy_files)),
        shown=shown(config, resolved),
    )
    return config


def anchored(value: T, directory: Path) -> T:
    """The value with every relative path in it starting at the directory."""
    found: Any = value
    if isinstance(found, Path):
        found = Path(os.path.normpath(directory / found.expanduser()))
    elif isinstance(found, BaseModel):
        fields = {name: getattr(found, name) for name in type(found).model_fields}
        changed = {name: anchored(item, directory) for name, item in fields.items()}
        changed = {name: item for name, item in changed.items() if item is not fields[name]}
        found = found.model_copy(update=changed) if changed else found
    elif isinstance(found, (tuple, list)) and _may_hold_paths(found):
        found = type(found)(anchored(item, directory) for item in found)
    elif isinstance(found, dict) and _may_hold_paths(found.values()):
        found = {key: anchored(item, directory) for key, item in found.items()}
    return found  # type: ignore[no-any-return] # the same type as came in


def shown(config: Config, resolved: Resolved) -> dict[str, Any]:
    """The settings as JSON values; what came out of a reference is shown as that reference."""
    tree: dict[str, Any] = _showable(config.model_dump(), resolved)
    for path, node in resolved.root.walk():
        if node.written is not None:
            _put(tree, path, node.written)
    return tree


def _content(file: Path, name: str) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        message = f"cannot be read ({reason}); `callgate init` writes one to start from"
        raise ConfigError([Problem.at(name, (1, 1), (), message)]) from None
    if len(content) > MAX_CONFIG_BYTES:
        message = f"is larger than {MAX_CONFIG_BYTES} bytes"
        raise ConfigError([Problem.at(name, (1, 1), (), message)])
    return content


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem.at(name, (line, 1), (), "is not UTF-8 text")]) from None


def _may_hold_paths(items: Any) -> bool:
    return any(isinstance(item, (Path, BaseModel, tuple, list, dict)) for item in items)


def _key_files(config: Config) -> Iterator[tuple[KeyPath, Path]]:
    """Files with key material that the configuration names."""
    for index, issuer in enumerate(config.identity.jwt):
        if issuer.jwks_file is not None:
            yield ("identity", "jwt", index, "jwks_file"), issuer.jwks_file
    agents = config.listeners.agents
    for key, file in (("tls_certificate", agents.tls_certificate), ("tls_key", agents.tls_key)):
        if file is not None:
            yield ("listeners", "agents", key), file


def _unusable_files(config: Config, directory: Path) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the files that the configuration names."""
    for path, file in _key_files(config):
        if not file.is_file():
            yield path, f"{file} does not exist; create it or correct the path"
    for index, issuer in enumerate(config.identity.jwt):
        if issuer.jwks_file is not None and issuer.jwks_file.is_file():
            try:
                read_key_file(issuer.jwks_file, issuer.algorithms)
            except IssuerError as error:
                yield ("identity", "jwt", index, "jwks_file"), str(error)
    for index, pattern in enumerate(config.policies.files):
        if not glob.has_magic(pattern) and not (directory / pattern).is_file():
            message = f"{pattern} does not exist; create it, or write a pattern such as {EXAMPLE}"
            yield ("policies", "files", index), message


def _depends_on(
    config: Config, file: Path, policy_files: tuple[Path, ...], resolved: Resolved
) -> Iterator[Path]:
    yield file
    yield from resolved.files
    yield from policy_files
    for _, key_file in _key_files(config):
        yield key_file
    yield from files.places(config.policies.files, file.parent)
    for interceptor in config.interceptors:
        yield from _code_of(interceptor, file.parent)
        yield from _paths_in(interceptor)


def _code_of(interceptor: InterceptorSettings, directory: Path) -> Iterator[Path]:
    """The files that run here, with what they import from beside the configuration."""
    settings = interceptor.of_kind
    if interceptor.kind == "python":
        module = settings.partition(":")[0]
        yield directory / f"{module.replace('.', '/')}.py"  # also where it is not there yet
        found = files_of(module, directory)
    elif interceptor.kind == "lambda" and settings.handler is not None:
        script = directory / settings.handler.rpartition(":")[0]
        yield script
        found, directory = files_of_script(script), script.parent
    else:
        return
    yield from found.values()
    yield from may_appear(found, directory)


def _paths_in(value: Any) -> Iterator[Path]:
    """The files that settings name. What directories hold is the business of who reads them."""
    if isinstance(value, Path):
        if not value.is_dir():
            yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths_in(getattr(value, name))
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from _paths_in(item)
    elif isinstance(value, dict):
        yield from _paths_in(tuple(value.values()))


def _warnings(config: Config, policy_files: tuple[Path, ...]) -> Iterator[str]:
    identity, agents = config.identity, config.listeners.agents
    if not policy_files and config.policies.git is None and not config.policies.store:
        patterns = ", ".join(config.policies.files) or "nothing"
        yield f"No policy file was found ({patterns}): every call is refused."
    if not config.targets:
        yield "No target is configured: there are no tools."
    if identity.anonymous is not None:
        yield AnonymousAuthenticator(identity.anonymous).warning
    elif not identity.jwt and not identity.api_keys:
        yield "No way to prove identity is configured: every call is refused."
    if config.store.url is not None and is_unverified(config.store.url):
        yield (
            f"The record goes to {config.store.place} without looking at its certificate: "
            "add ?sslmode=verify-full to store.url."
        )
    for name, target in config.targets.items():
        if isinstance(target, HttpTargetSettings) and "authorization" in target.pass_headers:
            yield (
                f"targets.{name}.pass_headers names authorization: interceptors decide as whom "
                "that target is called, and may pass an agent's own token on."
            )
    if agents.tls_certificate is None and not is_loopback(agents.host):
        yield (
            f"Agents connect to {agents.host} without TLS: tokens can be read on the way, "
            "unless a proxy in front of this gateway ends TLS."
        )


def _put(tree: Any, path: KeyPath, text: str) -> None:
    """Puts a text at a path that is in the tree; elsewhere `_showable` finds the value."""
    try:
        for step in path[:-1]:
            tree = tree[step]
        if tree[path[-1]] is not None:
            tree[path[-1]] = text
    except (KeyError, IndexError, TypeError):
        return


def _showable(value: Any, resolved: Resolved) -> Any:
    """The value in JSON's types, sets in order, and nothing in it that came from a reference."""
    if isinstance(value, dict):
        return {key: _showable(item, resolved) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(_showable(item, resolved) for item in value)
    if isinstance(value, (list, tuple)):
        return [_showable(item, resolved) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return resolved.redacted(value.isoformat() if isinstance(value, datetime) else str(value))
