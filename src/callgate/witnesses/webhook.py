"""A witness that is a URL: each checkpoint is posted there as text; its answer may be signed."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.audit.keys import VerifierKey
from callgate.audit.notes import Signature
from callgate.witnesses.posting import Poster
from callgate.witnesses.witness import Shown, WitnessError, cosignatures


class WebhookWitness:
    """Implements Witness. With a `key`, only an answer with its cosignature counts."""

    def __init__(
        self,
        name: str,
        url: str,
        headers: Mapping[str, str],
        key: VerifierKey | None,
        timeout_seconds: float,
    ) -> None:
        self.name = name
        self.key = key
        self._poster = Poster(url, headers, timeout_seconds)

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        """Posts the note. Any status of success means that it was kept. WitnessError."""
        answer = await self._poster.post(shown.note)
        if not answer.is_success:
            raise WitnessError(answer.refusal)
        return () if self.key is None else cosignatures(answer.body, shown, self.key)

    async def close(self) -> None:
        """Ends the connection."""
        await self._poster.close()
