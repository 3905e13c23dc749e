"""Where a caller without a token can get one: OAuth 2.0 Protected Resource Metadata (RFC 9728)."""

from __future__ import annotations

from callgate.asgi import Scope
from callgate.model import Json
from callgate.pipeline.gateway import Protection

WELL_KNOWN = "/.well-known/oauth-protected-resource"
REALM = 'Bearer realm="callgate"'


def base_of(protection: Protection, scope: Scope, host: str) -> str:
    """The gateway as its callers see it: as configured, or else by the Host that they named."""
    if protection.public_url is not None:
        return protection.public_url.rstrip("/")
    return f"{scope.get('scheme', 'http')}://{host}"


def document(protection: Protection, base: str, path: str) -> dict[str, Json]:
    """The metadata of one route. `path` is the route's own: `/mcp`, `/mcp/<target>`."""
    said: dict[str, Json] = {
        "resource": f"{base}{path}",
        "authorization_servers": list(protection.issuers),
        "bearer_methods_supported": ["header"],
        "resource_name": "Callgate",
    }
    if protection.scopes:
        said["scopes_supported"] = list(protection.scopes)
    return said


def challenge(protection: Protection, base: str, path: str) -> str:
    """WWW-Authenticate for a caller that presents no valid token."""
    if not protection.issuers:
        return REALM
    text = f'{REALM}, resource_metadata="{base}{WELL_KNOWN}{path}"'
    if protection.scopes:
        text += f', scope="{" ".join(protection.scopes)}"'
    return text
