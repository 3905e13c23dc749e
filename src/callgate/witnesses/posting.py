"""Posts to a witness over HTTP: bounded, without redirects, in time or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from pyreqwest.client import Client
from pyreqwest.exceptions import PyreqwestError

from callgate.closed_client import TooLongError, closed_client, read_at_most
from callgate.model import Value
from callgate.witnesses.witness import WitnessError

MAX_ANSWER_BYTES = 64 << 10


class Answer(Value):
    """What came back, whatever the status."""

    status: int
    media_type: str
    body: bytes


class Poster:
    """One URL."""

    def __init__(self, url: str, headers: Mapping[str, str], timeout_seconds: float) -> None:
        self._url = url
        self._place = url.partition("?")[0]  # a query may hold a secret: no message repeats it
        self._headers = {"content-type": "text/plain; charset=utf-8", **headers}
        self._seconds = timeout_seconds
        self._client: Client | None = None

    async def post(self, body: str) -> Answer:
        """One POST, once. Down, slow or talking too much: WitnessError."""
        try:
            request = self._connected().post(self._url).headers(self._headers)
            async with request.body_text(body).build_streamed() as response:
                content = await read_at_most(response.body_reader, MAX_ANSWER_BYTES)
                said = response.headers.get("content-type") or ""
                media_type = str(said).partition(";")[0].strip().lower()
                return Answer(status=response.status, media_type=media_type, body=content)
        except TooLongError:
            raise WitnessError(f"{self._place} answers too much") from None
        except TimeoutError:
            raise WitnessError(f"{self._place} did not answer in time") from None
        except PyreqwestError as error:
            raise WitnessError(f"{self._place} cannot be reached: {type(error).__name__}") from None

    async def close(self) -> None:
        """Ends the connection."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    def _connected(self) -> Client:
        if self._client is None:
            self._client = closed_client(self._url, self._seconds).build()
        return self._client


def refusal(answer: Answer) -> str:
    """What a status that was not hoped for means, in words; with the beginning of what it says."""
    if 300 <= answer.status < 400:
        return f"HTTP {answer.status}: it redirects, which is not followed"
    said = answer.body[:200].decode("utf-8", "replace")
    words = "".join(letter for letter in said if letter.isprintable())
    return f"HTTP {answer.status}: {words}" if words else f"HTTP {answer.status}"
