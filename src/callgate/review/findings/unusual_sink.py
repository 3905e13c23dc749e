"""The rule `unusual_sink`: what one target told leaves through a tool that sends."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.review.finding import Finding, Scene, Severity, at
from callgate.review.flow import Flow
from callgate.review.kinds import is_sending
from callgate.review.recipients import recipients
from callgate.review.steps import Step

MIN_LETTERS = 24  # of what leaves: less is an id or a name, which work needs
MIN_CALLS = 20  # of a history, for receivers to be called known


def find(scene: Scene) -> Iterator[Finding]:
    """One for each pair of calls.

    It fires where the result was labelled by an interceptor, and else where it came from another
    target and goes to somebody who is not known. That a receiver itself came from a result, as
    from an address book, is no leaving.
    """
    for number, flows in scene.flows_into.items():
        sink = scene.step(number)
        if sink.ran == "no" or not is_sending(sink.tool):
            continue
        receivers = {one.path for one in recipients(sink.arguments)}
        by_source: dict[int, list[Flow]] = {}
        for flow in flows:
            if flow.sink_path not in receivers:
                by_source.setdefault(flow.source, []).append(flow)
        for source, some in by_source.items():
            yield from _judged(scene, scene.step(source), sink, some)


def _judged(scene: Scene, source: Step, sink: Step, flows: list[Flow]) -> Iterator[Finding]:
    letters = sum(flow.letters for flow in flows)
    is_labelled = bool(source.labels)
    is_other = source.target != sink.target and letters >= MIN_LETTERS
    if not (is_labelled or (is_other and _is_to_strangers(scene, sink))):
        return
    why = f", labelled {', '.join(source.labels)}," if is_labelled else ""
    yield Finding(
        rule="unusual_sink",
        severity=Severity.WARNING,
        sentence=(
            f"{letters} letters of what {source.tool} had returned{why} left with {sink.tool}"
            f"{_to(sink)}."
        ),
        places=(
            *(at(source, flow.source_path, "result") for flow in flows[:5]),
            *(at(sink, flow.sink_path) for flow in flows[:5]),
        ),
    )


def _is_to_strangers(scene: Scene, sink: Step) -> bool:
    history = scene.history
    if history.calls < MIN_CALLS:
        return False
    named = list(recipients(sink.arguments))
    return any(one.name not in history.recipients for one in named) or (
        not named and sink.tool not in history.tools
    )


def _to(sink: Step) -> str:
    named = [one.name for one in recipients(sink.arguments)]
    return f" to {', '.join(named[:3])}" if named else ""
