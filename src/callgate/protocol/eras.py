"""What each MCP revision changes for us: one table, and the words of the modern envelope."""

from __future__ import annotations

from callgate.model import Era, Value


class Revision(Value):
    """One released revision of MCP."""

    version: str
    era: Era


REVISIONS = (
    Revision(version="2026-07-28", era=Era.MODERN),
    Revision(version="2025-11-25", era=Era.LEGACY),
    Revision(version="2025-06-18", era=Era.LEGACY),
    Revision(version="2025-03-26", era=Era.LEGACY),
)
"""Newest first. 2024-11-05 is answered with our newest legacy revision, as its handshake allows."""

MODERN_VERSIONS = tuple(r.version for r in REVISIONS if r.era is Era.MODERN)
LEGACY_VERSIONS = tuple(r.version for r in REVISIONS if r.era is Era.LEGACY)
VERSIONS = tuple(r.version for r in REVISIONS)
LATEST_MODERN = MODERN_VERSIONS[0]
LATEST_LEGACY = LEGACY_VERSIONS[0]
ASSUMED_VERSION = "2025-03-26"  # what a legacy request without a version header speaks
HANDSHAKE_VERSIONS = (*LEGACY_VERSIONS, "2024-11-05")  # what a server may answer `initialize` with

# params._meta of every modern request (schema.ts, RequestMetaObject)
META_PREFIX = "io.modelcontextprotocol/"
META_VERSION = META_PREFIX + "protocolVersion"
META_CAPABILITIES = META_PREFIX + "clientCapabilities"
META_CLIENT = META_PREFIX + "clientInfo"
META_LOG_LEVEL = META_PREFIX + "logLevel"
META_SERVER = META_PREFIX + "serverInfo"
META_PROGRESS = "progressToken"

# Errors reserved by 2026-07-28, each answered with HTTP 400
HEADER_MISMATCH = -32020
MISSING_CAPABILITY = -32021
UNSUPPORTED_VERSION = -32022
MODERN_ERRORS = frozenset({HEADER_MISMATCH, MISSING_CAPABILITY, UNSUPPORTED_VERSION})


def negotiate(requested: object) -> str:
    """The legacy revision to answer `initialize` with: the requested one, else our newest."""
    known = isinstance(requested, str) and requested in LEGACY_VERSIONS
    return str(requested) if known else LATEST_LEGACY


def is_legacy_version(version: str | None) -> bool:
    """Whether a version header, or its absence, means the handshake era."""
    return version is None or version in HANDSHAKE_VERSIONS
