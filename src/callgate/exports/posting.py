"""Posts batches to a URL: bounded, without redirects; what an answer means for what was sent."""

from __future__ import annotations

from collections.abc import Mapping

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError

from callgate.closed_client import TooLongError, closed_client, read_at_most
from callgate.exports.export import DestinationError

MAX_ANSWER_BYTES = 64 << 10
_TOO_LARGE = 413


class Poster:
    """One URL."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self._url = url
        self._place = url.partition("?")[0]  # a query may hold a secret: no message repeats it
        self._headers = dict(headers)
        self._seconds = timeout_seconds
        self._client: Client | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        """The answer to a batch that was taken: 2xx, read whole. Raises DestinationError."""
        if self._client is None:
            self._client = closed_client(self._url, self._seconds).build()
        request = self._client.post(self._url).headers({**self._headers, **headers})
        try:
            async with request.body_bytes(body).build_streamed() as response:
                answer = await read_at_most(response.body_reader, MAX_ANSWER_BYTES)
                status = response.status
        except TooLongError:
            raise DestinationError(f"{self._place} answers too much") from None
        except TimeoutError:
            raise DestinationError(f"{self._place} did not answer in time") from None
        except PyreqwestError as error:
            raise DestinationError(
                f"{self._place} cannot be reached: {type(error).__name__}"
            ) from None
        if 200 <= status < 300:
            return answer
        raise DestinationError(
            f"{self._place}: {_refusal(status, answer)}", is_too_large=status == _TOO_LARGE
        )

    async def close(self) -> None:
        """Ends the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _refusal(status: int, answer: bytes) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: it redirects, which is not followed"
    words = "".join(one for one in answer[:200].decode("utf-8", "replace") if one.isprintable())
    return f"HTTP {status}: {words}" if words else f"HTTP {status}"
