"""Whether intents and outcomes of calls belong together, over all logs of a store."""

from __future__ import annotations

from typing import Any

from callgate.audit.findings import CALL_TWICE, OUTCOME_WITHOUT_INTENT, Failure
from callgate.audit.record import INTERRUPTED
from callgate.model import Ran

_INTENT, _OUTCOME, _INTERRUPTED = 1, 2, 4


class Balance:
    """Takes the entries of calls, in any order of the logs, and finds what does not fit.

    Calls are kept by the hash of their ids: of ten million, two would be taken for one once in a
    million runs.
    """

    def __init__(self) -> None:
        self.ended_twice = 0  # calls that a recovery took for dead, and that then ended after all
        self._seen: dict[int, int] = {}
        self._unintended: dict[int, tuple[int, int]] = {}  # outcomes whose intent is yet to come

    def intent(self, call_id: str, log: int, seq: int) -> Failure | None:
        """Takes the intent of a call."""
        key = hash(call_id)
        seen = self._seen.get(key, 0)
        if seen & _INTENT:
            return Failure(
                code=CALL_TWICE, reason="its call has an intent already", log=log, seq=seq
            )
        self._seen[key] = seen | _INTENT
        if seen:
            self._unintended.pop(key, None)
        return None

    def outcome(self, call_id: str, log: int, seq: int, ran: Any, code: Any) -> Failure | None:
        """Takes the outcome of a call."""
        key = hash(call_id)
        seen = self._seen.get(key, 0)
        kind = _INTERRUPTED if code == INTERRUPTED else _OUTCOME
        if seen & kind:
            reason = "its call has an outcome already"
            return Failure(code=CALL_TWICE, reason=reason, log=log, seq=seq)
        if seen & (_OUTCOME | _INTERRUPTED):
            self.ended_twice += 1
        self._seen[key] = seen | kind
        if ran != Ran.NO.value and not seen & _INTENT:
            self._unintended[key] = log, seq
        return None

    def unintended(self) -> list[Failure]:
        """Outcomes of calls that reached a target, as they say, without an intent: in order."""
        reason = "it says that its tool may have run, but no intent was recorded before it"
        return [
            Failure(code=OUTCOME_WITHOUT_INTENT, reason=reason, log=log, seq=seq)
            for log, seq in sorted(self._unintended.values())
        ]
