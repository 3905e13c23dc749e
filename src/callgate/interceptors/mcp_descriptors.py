"""What an interceptor server offers, as it declares it and as our settings have it (SEP-2624)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from callgate.interceptors.mcp_settings import McpOverrideSettings, McpSettings
from callgate.model import Json, Value

MAX_INTERCEPTORS = 200
MAX_NAME_CHARACTERS = 200
PHASES = ("request", "response")
IGNORED_TYPES = frozenset({"sink", "observability"})  # of other drafts; they never decide anything
MODES = {"active": False, "enforce": False, "audit": True}  # `enforce`: what `active` was before
PHASE_OF_WILDCARD = {
    f"*/{phase}": phase for phase in PHASES
}  # all events of one phase, in old text


class McpError(Exception):
    """An interceptor server, or one of its interceptors, failed; the message says how."""


class Hook(Value):
    """One event, or a pattern of events, in one phase."""

    event: str
    phase: str

    def matches(self, event: str, phase: str) -> bool:
        """Whether it holds for an event."""
        if phase != self.phase:
            return False
        pattern = self.event
        if pattern in ("*", event):
            return True
        if pattern.endswith("/*"):
            return event.startswith(pattern[:-1])
        return pattern.startswith("*/") and event.endswith(pattern[1:])

    def covers(self, other: Hook) -> bool:
        """Whether it holds wherever another does."""
        if self == other:
            return True
        is_told_apart = "*" not in other.event or self.event == "*"
        return is_told_apart and self.matches(other.event, other.phase)


class Found(Value):
    """One interceptor, with the policy that is in effect for it."""

    name: str
    is_mutator: bool
    hooks: tuple[Hook, ...]
    is_audit: bool = False  # nothing comes of what it says
    may_fail: bool = False  # a call goes on when it fails
    priorities: Mapping[str, int] = {}  # phase → order among mutators
    timeout_seconds: float | None = None
    config: dict[str, Json] | None = None

    def applies(self, event: str, phase: str) -> bool:
        """Whether it is invoked."""
        return any(hook.matches(event, phase) for hook in self.hooks)


class _Hook(msgspec.Struct):
    events: list[str]
    phase: Literal["request", "response", "both"]


class _Priorities(msgspec.Struct):
    request: int = 0
    response: int = 0


class _Range(msgspec.Struct, rename="camel"):
    min_protocol: str = ""
    max_protocol: str | None = None


class _Declared(msgspec.Struct, rename="camel"):
    name: str
    type: str
    hooks: list[_Hook] | None = None
    hook: _Hook | None = None  # older drafts
    mode: Literal["active", "enforce", "audit"] | None = None
    fail_open: bool | None = None
    priority_hint: int | _Priorities | None = None
    compat: _Range | None = None


class _Listing(msgspec.Struct, rename="camel"):
    interceptors: list[_Declared]


def read_listing(result: Json, settings: McpSettings, version: str) -> tuple[Found, ...]:
    """The interceptors that may be invoked, of a result of `interceptors/list`. Raises McpError.

    `version` is the revision of MCP that is spoken.
    """
    try:
        declared = msgspec.convert(result, _Listing).interceptors
    except msgspec.ValidationError as error:
        raise McpError(f"what it lists as interceptors is none: {error}") from None
    _check_names(declared)
    missing = settings.interceptors.keys() - {one.name for one in declared}
    if missing:
        raise McpError(f"it has no interceptor {min(missing)!r}, which `interceptors` names")
    return tuple(_found(declared, settings, version))


def _check_names(declared: list[_Declared]) -> None:
    names = {one.name for one in declared}
    if len(declared) > MAX_INTERCEPTORS or len(names) < len(declared):
        raise McpError(f"it lists more than {MAX_INTERCEPTORS} interceptors, or one twice")
    for one in declared:
        if not 0 < len(one.name) <= MAX_NAME_CHARACTERS or not one.name.isprintable():
            raise McpError(f"it lists an interceptor with the name {one.name[:40]!r}")


def _found(declared: list[_Declared], settings: McpSettings, version: str) -> Iterator[Found]:
    for one in declared:
        override = settings.interceptors.get(one.name)
        if override is None and settings.only_named:
            continue
        wanted = override or McpOverrideSettings()
        if not wanted.enabled or one.type in IGNORED_TYPES:
            continue
        if one.type not in ("validation", "mutation"):
            raise McpError(f"{one.name} is of the unknown type {one.type[:40]!r}")
        if not _is_compatible(one, version):
            if override is not None:
                raise McpError(f"{one.name} is not for MCP {version}, by its `compat`")
            continue
        yield _resolved(one, wanted)


def _is_compatible(declared: _Declared, version: str) -> bool:
    compat = declared.compat or _Range()
    latest = compat.max_protocol
    return compat.min_protocol <= version and (latest is None or version <= latest)


def _resolved(declared: _Declared, wanted: McpOverrideSettings) -> Found:
    """The settings where they say something, else what the server declares, else the default."""
    mode = wanted.mode or declared.mode or "active"
    may_fail = declared.fail_open if wanted.fail_open is None else wanted.fail_open
    hint = declared.priority_hint if wanted.priority_hint is None else wanted.priority_hint
    return Found(
        name=declared.name,
        is_mutator=declared.type == "mutation",
        hooks=_hooks(declared, wanted),
        is_audit=MODES[mode],
        may_fail=bool(may_fail),
        priorities={
            phase: hint if isinstance(hint, int) else getattr(hint, phase, 0) for phase in PHASES
        },
        timeout_seconds=wanted.timeout_seconds,
        config=wanted.config or None,
    )


def _hooks(declared: _Declared, wanted: McpOverrideSettings) -> tuple[Hook, ...]:
    said = [*(declared.hooks or []), *([declared.hook] if declared.hook else [])]
    if declared.hooks is None and declared.hook is None:
        raise McpError(f"{declared.name} has no hooks")
    hooks = tuple(_each((one.events, one.phase) for one in said))
    if wanted.hooks is None:
        return hooks
    narrowed = tuple(_each((sorted(one.events), one.phase) for one in wanted.hooks))
    for hook in narrowed:
        if not any(one.covers(hook) for one in hooks):
            raise McpError(
                f"{declared.name} has no hook for {hook.event} on the {hook.phase};"
                " `hooks` can only narrow what it declares"
            )
    return narrowed


def _each(said: Iterable[tuple[list[str], str]]) -> Iterator[Hook]:
    """One hook an event and phase."""
    for events, phase in said:
        for event in events:
            for one in PHASES if phase == "both" else (phase,):
                only = PHASE_OF_WILDCARD.get(event)
                if only is None:
                    yield Hook(event=event, phase=one)
                elif only == one:
                    yield Hook(event="*", phase=one)
