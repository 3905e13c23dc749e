"""Posts batches to a URL, and says what an answer means for what was sent."""

from __future__ import annotations

from collections.abc import Mapping

from callgate import closed_client
from callgate.closed_client import PostError
from callgate.exports.export import DestinationError

_TOO_LARGE = 413


class Poster:
    """One URL."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self._poster = closed_client.Poster(url, timeout_seconds, headers=headers)

    async def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The answer to a batch that was taken: 2xx, read whole. Raises DestinationError."""
        try:
            answer = await self._poster.post(body, headers)
        except PostError as error:
            raise DestinationError(str(error)) from None
        if answer.is_success:
            return answer.body
        raise DestinationError(
            f"{self._poster.place}: {answer.refusal}", is_too_large=answer.status == _TOO_LARGE
        )

    async def close(self) -> None:
        """Ends the connections."""
        await self._poster.close()
