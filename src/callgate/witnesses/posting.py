"""Posts notes to a witness over HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from callgate import closed_client
from callgate.closed_client import Answer, PostError
from callgate.witnesses.witness import WitnessError


class Poster:
    """One URL."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        headers = {"content-type": "text/plain; charset=utf-8", **headers}
        self._poster = closed_client.Poster(url, timeout_seconds, headers=headers)

    async def post(self, body: str) -> Answer:
        """One POST, once. Down, slow or talking too much: WitnessError."""
        try:
            return await self._poster.post(body.encode())
        except PostError as error:
            raise WitnessError(str(error)) from None

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
