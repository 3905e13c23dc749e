"""A witness that checks what it signs: another Callgate, or any that speaks C2SP tlog-witness."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from callgate.audit.keys import VerifierKey
from callgate.audit.notes import Signature
from callgate.audit.submissions import PATH, SIZE_TYPE, Submission, SubmissionError, read_size
from callgate.closed_client import Answer
from callgate.witnesses.posting import Poster
from callgate.witnesses.witness import Disputed, Shown, WitnessError, cosignatures

ATTEMPTS = 2  # one to learn what it has seen, one that goes on from there


class TlogWitness:
    """Implements Witness. Which size it has seen, it says itself where we do not know."""

    def __init__(self, name: str, url: str, key: VerifierKey, timeout_seconds: float) -> None:
        self.name = name
        self.key: VerifierKey = key
        self._poster = Poster(url.rstrip("/") + PATH, {}, timeout_seconds)
        self._seen = 0

    async def show(self, shown: Shown) -> tuple[Signature, ...]:
        """Submits the checkpoint with the proof that it goes on. WitnessError."""
        for _ in range(ATTEMPTS):
            answer = await self._submit(shown, self._seen)
            if answer.status == 200:
                found = cosignatures(answer.body, shown, self.key)
                self._seen = shown.checkpoint.size
                return found
            if answer.status != 409:
                raise self._refused(answer, shown)
            self._seen = self._seen_by(answer, shown)
        raise WitnessError("it says each time to have seen another size")

    async def close(self) -> None:
        """Ends the connection."""
        await self._poster.close()

    async def _submit(self, shown: Shown, seen: int) -> Answer:
        path: Sequence[bytes] = ()
        if 0 < seen < shown.checkpoint.size:
            path = await asyncio.to_thread(shown.proof, seen)
        made = Submission(old_size=seen, path=tuple(path), checkpoint=shown.note)
        return await self._poster.post(str(made))

    def _seen_by(self, answer: Answer, shown: Shown) -> int:
        """What a conflict is about. Raises Disputed where it is about the record itself."""
        size = shown.checkpoint.size
        if answer.media_type != SIZE_TYPE:
            raise Disputed(f"it has seen another record of {size} entries: {answer.refusal}")
        try:
            seen = read_size(answer.body)
        except SubmissionError as error:
            raise WitnessError(str(error)) from None
        if seen > size:
            raise Disputed(f"it has seen {seen} entries, the record has {size}")
        if seen == self._seen:
            raise Disputed(f"it has seen another record of {size} entries")
        return seen

    def _refused(self, answer: Answer, shown: Shown) -> WitnessError:
        if answer.status == 422:
            self._seen = 0
            seen = f"the {shown.checkpoint.size} entries do not go on from what it has seen"
            return Disputed(f"{seen}: {answer.refusal}")
        if answer.status == 404:
            return WitnessError(f"it does not know {shown.checkpoint.origin}: {answer.refusal}")
        if answer.status == 403:
            return WitnessError(f"it does not know the key of the record: {answer.refusal}")
        return WitnessError(answer.refusal)
