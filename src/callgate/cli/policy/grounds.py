"""What every command of `callgate policy` stands on: the policies, the tools, who is known."""

from __future__ import annotations

import asyncio
import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from callgate.app.snapshot import Snapshot, SnapshotError, ask_targets, read_snapshot
from callgate.config import Config, ConfigError, load_config
from callgate.config.env_file import EnvFileError, read_env_file
from callgate.identity.anonymous import AnonymousAuthenticator
from callgate.identity.api_keys import principal_of
from callgate.model import Json, Principal, Tool, Value
from callgate.policy.engine import Engine
from callgate.policy.names import Names
from callgate.policy.source import Policy, PolicyError, read_policies
from callgate.ports import StoreError
from callgate.protocol.validators import Validators
from callgate.sources import git, store
from callgate.sources.git import GitRepository
from callgate.sources.sourced import STORE, Sourced, SourceError
from callgate.storage.versions import StoredPolicyVersions

DEFAULT_CONFIG = Path("callgate.yaml")
# As long as any secret must be, and of the form that those of webhooks have.
STAND_IN = "whsec_bm90LXNldC1ub3Qtc2V0LW5vdC1zZXQtbm90LXNldC0="
CANNOT = 2  # exit code: the question could not be answered

_FILE = click.Path(path_type=Path, dir_okay=False)


class CannotSay(click.ClickException):
    """The question cannot be answered, as distinct from being answered with no."""

    exit_code = CANNOT


class Chosen(Value):
    """What the options say."""

    config: Path | None = None
    env_file: Path | None = None
    policies: tuple[Path, ...] = ()
    tools: Path | None = None

    @property
    def is_offline(self) -> bool:
        """Whether no target will be asked."""
        return self.tools is not None

    def files(self) -> Iterator[Path]:
        """What the options name; directories among them."""
        yield self.config or DEFAULT_CONFIG
        yield from (path for path in (self.env_file, self.tools) if path is not None)
        yield from self.policies
        for place in self.policies:
            if place.is_dir():
                yield from place.rglob("*.cedar")


_CONFIG = click.option(
    "--config", type=_FILE, help="The configuration file.  [default: callgate.yaml]"
)
_ENV_FILE = click.option(
    "--env-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="NAME=value lines for ${env:NAME} references. Variables that are set already win.",
)
_POLICIES = click.option(
    "--policies",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A policy file, or a directory of them, in place of those of the configuration. May be "
    "given again.",
)
_TOOLS = click.option(
    "--tools",
    type=_FILE,
    help="What the targets offer, as `callgate policy tools` writes it: no target is asked then, "
    "and variables that are not set may stay so.",
)


_OPTIONS = {"config": _CONFIG, "env_file": _ENV_FILE, "policies": _POLICIES, "tools": _TOOLS}


def _chosen_by(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Adds options; what they say comes to the command as `chosen`."""

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapped(**given: Any) -> Any:
            return command(chosen=Chosen(**{name: given.pop(name) for name in names}), **given)

        for name in reversed(names):
            wrapped = _OPTIONS[name](wrapped)
        return wrapped

    return add


grounds_options = _chosen_by("config", "env_file", "policies", "tools")
tools_options = _chosen_by("config", "env_file", "tools")
config_options = _chosen_by("config", "env_file")


class PolicyFile(Value):
    """One file of policies, under the name that ids and messages use."""

    source: str
    path: Path
    text: str

    @property
    def shown(self) -> str:
        """The path as somebody who stands here would write it."""
        return shown_path(self.path)


@dataclass
class Grounds:
    """What a command works on. Tools are listed when they are first needed."""

    chosen: Chosen
    config: Config | None
    names: Names
    enrichments: Mapping[str, Mapping[str, str]]
    files: tuple[PolicyFile, ...]
    policies: tuple[Policy, ...]
    _validators: Validators = field(default_factory=Validators)

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets of the configuration; without one, those of the snapshot."""
        if self.config is not None:
            return tuple(self.config.targets)
        return tuple(dict.fromkeys(tool.target for tool in self.snapshot.tools))

    @cached_property
    def snapshot(self) -> Snapshot:
        """The tools of the targets. Raises CannotSay where the snapshot cannot be read."""
        if self.chosen.tools is not None:
            targets = self.config.targets if self.config is not None else ()
            try:
                return read_snapshot(self.chosen.tools, targets)
            except SnapshotError as error:
                raise CannotSay(str(error)) from None
        return asked(self.config) if self.config is not None else Snapshot()

    @cached_property
    def engine(self) -> Engine:
        """The policies, ready to decide."""
        return Engine(self.policies, self.names, self.enrichments)

    @cached_property
    def listed(self) -> dict[str, bool]:
        """Target → whether its tools are known."""
        return {name: name not in self.snapshot.silent for name in self.targets}

    @cached_property
    def principals(self) -> dict[str, Principal]:
        """Whom the configuration knows: API keys, and callers without a proof."""
        return known_principals(self.config) if self.config is not None else {}

    def fits(self, tool: Tool, arguments: dict[str, Json]) -> str | None:
        """None where the arguments fit the tool, else one sentence that says why not."""
        return self._validators.validate(tool, arguments)

    def place_of(self, policy: Policy) -> str:
        """`policies/shop.cedar:12`."""
        return f"{self.shown(policy.source)}:{policy.line}"

    def shown(self, source: str) -> str:
        """The path of a source of policies; its name where it is no file."""
        return next((file.shown for file in self.files if file.source == source), source)


def asked(config: Config) -> Snapshot:
    """What the targets offer now."""
    if sys.platform == "win32":
        return asyncio.run(ask_targets(config))
    import uvloop  # noqa: PLC0415 - there is none for Windows

    return uvloop.run(ask_targets(config))


def ground(chosen: Chosen, known: Grounds | None = None) -> Grounds:
    """The configuration and the policies. Raises CannotSay; PolicyError for a policy text.

    What was read and listed for `known` is not read and listed again where nothing changed.
    """
    config, files = config_and_files(chosen)
    grounds = grounds_on(chosen, config, files, known.policies if known is not None else ())
    if known is not None and _is_alike(known, grounds) and "snapshot" in known.__dict__:
        grounds.snapshot = known.snapshot
    return grounds


def grounds_on(
    chosen: Chosen,
    config: Config | None,
    files: tuple[PolicyFile, ...],
    known: tuple[Policy, ...] = (),
) -> Grounds:
    """The grounds on these texts. Raises PolicyError."""
    names = Names()
    enrichments: dict[str, Mapping[str, str]] = {}
    if config is not None:
        names = Names(namespace=config.gateway.namespace, gateway=config.gateway.name)
        enrichments = {one.name: one.enriches for one in config.interceptors if one.enriches}
    return Grounds(
        chosen=chosen,
        config=config,
        names=names,
        enrichments=enrichments,
        files=files,
        policies=read_policies(((file.source, file.text) for file in files), known),
    )


def _is_alike(known: Grounds, grounds: Grounds) -> bool:
    """Whether the same targets would be asked."""
    if known.config is None or grounds.config is None or grounds.chosen.tools is not None:
        return False  # a file is read anew: that costs nothing
    return known.config.targets == grounds.config.targets


def config_and_files(chosen: Chosen) -> tuple[Config | None, tuple[PolicyFile, ...]]:
    """The configuration, where one is needed, and the policy texts. Raises CannotSay."""
    config = configured_if(chosen, is_needed=not chosen.policies)
    if chosen.policies:
        return config, files_of(policy_paths(chosen.policies))
    return config, in_force(config, may_fetch=not chosen.is_offline) if config is not None else ()


def configured_if(chosen: Chosen, *, is_needed: bool) -> Config | None:
    """The configuration; None where none is needed, named or there. Raises CannotSay."""
    is_there = chosen.config is not None or DEFAULT_CONFIG.exists()
    return configured(chosen) if is_needed or is_there else None


def grounded(chosen: Chosen, known: Grounds | None = None) -> Grounds:
    """The same, where a policy text that cannot be used ends the command. Raises CannotSay."""
    try:
        return ground(chosen, known)
    except PolicyError as error:
        raise CannotSay(str(error)) from None


def configured(chosen: Chosen) -> Config:
    """The configuration. Raises CannotSay with every problem in it."""
    file = chosen.config or DEFAULT_CONFIG
    try:
        further = read_env_file(chosen.env_file) if chosen.env_file is not None else {}
        environ = {**further, **os.environ}
        return load_config(file, Forgiving(environ) if chosen.is_offline else environ)
    except (ConfigError, EnvFileError) as error:
        raise CannotSay(str(error)) from None


class Forgiving(dict[str, str]):
    """An environment in which everything is set: nothing is contacted, so no secret is needed."""

    def get(self, key: str, default: Any = None) -> Any:
        return super().get(key) or STAND_IN


def known_principals(config: Config) -> dict[str, Principal]:
    """The principals of the configuration by id; by the name of the key where ids repeat."""
    keys = config.identity.api_keys
    count = Counter(key.principal for key in keys)
    known = {
        key.principal if count[key.principal] == 1 else key.name: principal_of(key) for key in keys
    }
    if config.identity.anonymous is not None:
        principal = AnonymousAuthenticator(config.identity.anonymous).principal
        known.setdefault(principal.id, principal)
    return known


def in_force(config: Config, *, may_fetch: bool = True) -> tuple[PolicyFile, ...]:
    """The policies of the configuration: in files, in git and in the store. Raises CannotSay."""
    found = list(files_of(config.policy_files))
    try:
        further = [*_in_git(config, may_fetch), *_in_store(config)]
    except (SourceError, StoreError) as error:
        raise CannotSay(f"{error}; --policies names others") from None
    for one in further:
        path = Path(one.name if one.kind == STORE else one.place)
        found.append(PolicyFile(source=one.name, path=path, text=one.text))
    return tuple(found)


def _in_git(config: Config, may_fetch: bool) -> tuple[Sourced, ...]:
    settings = config.policies.git
    if settings is None:
        return ()
    found = GitRepository(settings, config.directory).look(may_fetch=may_fetch)
    if found.commit is None:
        problem = found.problem or "it was never fetched"
        raise SourceError("policies.git", f"there is no commit to use: {problem}")
    if found.problem is not None:
        click.echo(f"policies.git: {found.commit.id[:12]} is used: {found.problem}", err=True)
    return git.sourced(found.commit)


def _in_store(config: Config) -> tuple[Sourced, ...]:
    if not config.policies.store:
        return ()
    versions = StoredPolicyVersions(config.store)
    return store.sourced(versions.newest()) if versions.has_begun() else ()


def policy_paths(places: Iterable[Path]) -> Iterable[Path]:
    """The files themselves, and the Cedar files in the directories. Raises CannotSay."""
    for place in places:
        if place.is_dir():
            found = sorted(place.rglob("*.cedar"))
            if not found:
                raise CannotSay(f"{place} holds no .cedar file")
            yield from found
        else:
            yield place


def files_of(paths: Iterable[Path]) -> tuple[PolicyFile, ...]:
    """The files, read. Raises CannotSay."""
    return named_files((path, read_text(path)) for path in paths)


def named_files(texts: Iterable[tuple[Path, str]]) -> tuple[PolicyFile, ...]:
    """Texts under the names by which the gateway knows them: ids without an @id begin so."""
    texts = list(texts)
    count = Counter(path.name for path, _ in texts)
    return tuple(
        PolicyFile(
            source=path.name if count[path.name] == 1 else shown_path(path), path=path, text=text
        )
        for path, text in texts
    )


def read_text(path: Path) -> str:
    """A text file. Raises CannotSay."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise CannotSay(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise CannotSay(f"{path}: is not UTF-8 text") from None


def shown_path(path: Path) -> str:
    """Relative to where we stand, where it is below; else whole."""
    try:
        return Path(os.path.abspath(path)).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return path.as_posix()


def counted(number: int, one: str, several: str | None = None) -> str:
    """`1 policy`, `2 policies`."""
    return f"{number} {one if number == 1 else several or one + 's'}"
