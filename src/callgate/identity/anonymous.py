"""Lets callers on this machine in without a proof: for development, never for a network."""

from __future__ import annotations

from callgate.identity.bearer import unacceptable
from callgate.identity.naming import Name
from callgate.model import Principal, Proof
from callgate.settings import Settings

WARNING = (
    "Anonymous access is on: every process on this machine can call tools as principal {id!r}. "
    "Configure identity.jwt or identity.api_keys before anybody else relies on this gateway."
)


class AnonymousSettings(Settings):
    """Who a caller without a proof is taken for. Loopback connections only."""

    id: Name = "anonymous"
    """Id of the principal, of Cedar type `UnauthenticatedUser`."""
    groups: tuple[Name, ...] = ()
    """Groups it is a member of."""


class AnonymousAuthenticator:
    """Implements Authenticator: knows callers that present nothing."""

    def __init__(self, settings: AnonymousSettings) -> None:
        self._principal = Principal(
            id=settings.id, issuer="callgate", kind="anonymous", groups=settings.groups
        )

    @property
    def warning(self) -> str:
        """What the start-up log must say."""
        return WARNING.format(id=self._principal.id)

    @property
    def principal(self) -> Principal:
        """Who a caller without a proof is taken for."""
        return self._principal

    async def authenticate(self, proof: Proof) -> Principal | None:
        """The anonymous principal, for a caller on this machine that presents no proof."""
        # INVARIANT: whoever presents something is judged by it, and never becomes anonymous.
        if proof.authorization is not None or proof.api_key is not None:
            return None
        if not proof.is_loopback:
            raise unacceptable(
                "Present a bearer token or an API key.",
                "no proof was presented, and anonymous access is for loopback connections only",
            )
        return self._principal
