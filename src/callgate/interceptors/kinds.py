"""Every kind of interceptor: its key in callgate.yaml, and how one is made of its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.python_hook import load_hook
from callgate.interceptors.redact import Redactor
from callgate.model import Value
from callgate.ports import Clock
from callgate.scrutiny import Interceptor


class Place(Value):
    """Where an interceptor stands."""

    name: str
    directory: Path  # of callgate.yaml: where relative paths start
    clock: Clock


__all__ = ["KINDS", "InterceptorError", "Place"]

Make = Callable[[Any, Place], Interceptor]

KINDS: Mapping[str, Make] = {
    "python": lambda reference, place: load_hook(reference, place.directory),
    "redact": lambda settings, place: Redactor(settings),
}
"""The key of each kind, as `InterceptorSettings` has it → what makes one. One line a kind."""
