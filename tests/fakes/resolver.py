"""Names that lead where a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence


class FakeResolver:
    """Implements Resolver. A name may have several answers, given one after the other."""

    def __init__(self, names: Mapping[str, Sequence[str] | Sequence[Sequence[str]]]) -> None:
        self._names = dict(names)
        self.asked: list[str] = []
        self.at_once = 0
        self.most_at_once = 0

    async def addresses(self, host: str) -> Sequence[str]:
        self.asked.append(host)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0)
            if host == "hangs.example":
                await asyncio.Event().wait()
        finally:
            self.at_once -= 1
        answers = self._names.get(host)
        if answers is None:
            raise OSError(f"no such name: {host}")
        if answers and not isinstance(answers[0], str):
            return answers[min(self.asked.count(host), len(answers)) - 1]
        return [one for one in answers if isinstance(one, str)]

    def close(self) -> None:
        """Nothing is open."""
