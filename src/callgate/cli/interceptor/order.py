"""The interceptors of a configuration in running order: at which stage, about what, how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callgate.audit.explain import printable
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Json, Value
from callgate.pipeline.attaching import ERROR, LIST, MESSAGE, REQUEST, RESULT
from callgate.pipeline.stages import forward, intercept_request, intercept_response

LISTS = "lists"
WHERE = {
    REQUEST: intercept_request.__name__,
    MESSAGE: forward.__name__,
    RESULT: intercept_response.__name__,
    ERROR: intercept_response.__name__,
    LIST: LISTS,
}
"""The point → the stage that asks there; lists are made beside the stages, of what they leave."""


class Asked(Value):
    """One interceptor at one stage."""

    number: int  # in the order of the configuration, from 1
    settings: InterceptorSettings
    points: tuple[str, ...]  # those of this stage
    of: str  # targets, tools and methods, in words


def at(stage: str, interceptors: Sequence[InterceptorSettings]) -> Iterator[Asked]:
    """Those that a stage asks, in running order."""
    for number, settings in enumerate(interceptors, 1):
        points = tuple(point for point in WHERE if WHERE[point] == stage and point in settings.on)
        if points:
            yield Asked(number=number, settings=settings, points=points, of=_of(settings))


def _of(settings: InterceptorSettings) -> str:
    named = {"tools": settings.tools, "targets": settings.targets, "methods": settings.methods}
    parts = [
        f"{', '.join(sorted(names))}" if what == "tools" else f"{what} {', '.join(sorted(names))}"
        for what, names in named.items()
        if names is not None
    ]
    return "; ".join(parts) or "everything"


def lines(asked: Sequence[Asked]) -> Iterator[str]:
    """One a line in columns, with its condition under it."""
    rows = [_row(one) for one in asked]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for one, row in zip(asked, rows, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
        if one.settings.when is not None:
            yield f"   when {printable(' '.join(one.settings.when.split()))}"


def _row(one: Asked) -> tuple[str, ...]:
    settings = one.settings
    return (
        f"{one.number}.",
        settings.name,
        settings.kind,
        "+".join(one.points),
        printable(one.of),
        f"{settings.timeout_seconds:g} s",
        f"on failure {settings.on_failure}" if settings.mode == "enforce" else "only observes",
    )


def as_json(one: Asked) -> dict[str, Json]:
    """All that is set of it, but for the settings of its kind, which may hold secrets."""
    settings = one.settings
    return {
        "number": one.number,
        "name": settings.name,
        "kind": settings.kind,
        "points": list(one.points),
        "targets": _sorted(settings.targets),
        "tools": _sorted(settings.tools),
        "methods": _sorted(settings.methods),
        "when": settings.when,
        "mode": settings.mode,
        "timeout_seconds": settings.timeout_seconds,
        "on_failure": settings.on_failure,
        "max_concurrent": settings.max_concurrent,
        "headers": sorted(settings.headers),
        "enriches": dict(settings.enriches),
    }


def _sorted(names: frozenset[str] | None) -> list[str] | None:
    return sorted(names) if names is not None else None
