"""Several telemetries as one; a failure of any of them costs its figures, never the call."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from callgate.model import Call, Outcome
from callgate.ports import Span, Telemetry

_log = logging.getLogger("callgate.telemetry")


class AllOf:
    """Implements Telemetry. The first `traceparent` in the order given goes upstream."""

    def __init__(self, parts: Iterable[Telemetry]) -> None:
        self._parts = tuple(parts)

    def begin(self, call: Call) -> AllSpans:
        """Begins with every part."""
        spans: list[Span] = []
        for part in self._parts:
            try:
                spans.append(part.begin(call))
            except Exception:  # noqa: BLE001 - whatever fails in telemetry, the call goes on
                _log.exception("%s could not begin call %s", type(part).__name__, call.id)
        return AllSpans(spans)


class AllSpans:
    """Implements Span."""

    __slots__ = ("_spans",)

    def __init__(self, spans: list[Span]) -> None:
        self._spans = spans

    @property
    def traceparent(self) -> str | None:
        """The first that there is."""
        for span in self._spans:
            found = span.traceparent
            if found is not None:
                return found
        return None

    def end(self, outcome: Outcome) -> None:
        """Ends every span."""
        for span in self._spans:
            try:
                span.end(outcome)
            except Exception:  # noqa: BLE001 - the tool has run: its result must not be lost
                _log.exception("telemetry could not end call %s", outcome.call.id)
