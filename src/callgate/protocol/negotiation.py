"""Which era a target speaks, judged by how it answers the opening question of the modern one."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.model import Era, Features, Json
from callgate.protocol.eras import (
    HANDSHAKE_VERSIONS,
    MODERN_ERRORS,
    MODERN_VERSIONS,
    UNSUPPORTED_VERSION,
)
from callgate.protocol.outbound import Fault, Message, WireError, read_fault, read_result

LEGACY_STATUSES = frozenset({400, 404, 405})  # how servers of before turn the question down


class Undecided(Exception):  # noqa: N818 - a finding; the caller turns it into the port's error
    """The answer decides nothing: an outage is no verdict about the era. `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


def era_over_http(status: int, message: Message | None) -> Era:
    """The era by the answer to `server/discover` over HTTP.

    Raises Undecided for statuses that must never lead to a fallback (authorization, outage: that
    would be a downgrade), WireError where no revision is shared.
    """
    if status == 200 and message is not None:
        return era_of_answer(message)
    if status in LEGACY_STATUSES:
        if message is not None and bytes(message.error):
            return _era_of_fault(_fault_or_none(message))
        return Era.LEGACY
    raise Undecided(status)


def era_of_answer(message: Message) -> Era:
    """The era by a response to `server/discover`. Raises WireError where no revision is shared."""
    if bytes(message.error):
        return _era_of_fault(_fault_or_none(message))
    try:
        versions = read_result(message).get("supportedVersions")
    except WireError:
        return Era.LEGACY  # no evidence of the modern era; the handshake will tell
    return _shared_era(versions) if isinstance(versions, list) else Era.LEGACY


def _fault_or_none(message: Message) -> Fault | None:
    try:
        return read_fault(message)
    except WireError:
        return None


def _era_of_fault(fault: Fault | None) -> Era:
    if fault is None or fault.code not in MODERN_ERRORS:
        return Era.LEGACY
    supported = fault.data.get("supported") if isinstance(fault.data, dict) else None
    if fault.code == UNSUPPORTED_VERSION and isinstance(supported, list):
        return _shared_era(supported)
    return Era.MODERN


def _shared_era(versions: Iterable[Json]) -> Era:
    named = [version for version in versions if isinstance(version, str)]
    if any(version in MODERN_VERSIONS for version in named):
        return Era.MODERN
    if not named or any(version in HANDSHAKE_VERSIONS for version in named):
        return Era.LEGACY
    raise WireError("no revision of MCP that we share; it offers " + ", ".join(named)[:200])


def read_discovered(message: Message) -> Features:
    """What a successful `server/discover` says of the target. Raises WireError."""
    return _features(read_result(message), Era.MODERN, MODERN_VERSIONS[0])


def read_initialized(message: Message) -> Features:
    """What a successful `initialize` says. Raises WireError where we share no revision."""
    result = read_result(message)
    version = result.get("protocolVersion")
    if not isinstance(version, str) or version not in HANDSHAKE_VERSIONS:
        raise WireError(f"`initialize` was answered with the revision {str(version)[:40]!r}")
    return _features(result, Era.LEGACY, version)


def _features(result: dict[str, Json], era: Era, version: str) -> Features:
    capabilities, instructions = result.get("capabilities"), result.get("instructions")
    return Features(
        era=era,
        version=version,
        capabilities=capabilities if isinstance(capabilities, dict) else {},
        instructions=instructions if isinstance(instructions, str) else None,
    )
