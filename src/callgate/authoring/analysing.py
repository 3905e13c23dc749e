"""Runs the analysis of policies in processes of their own, with a time limit on every question."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

from callgate.model import Value
from callgate.policy.analysis.compare import Comparison
from callgate.policy.analysis.findings import Report, Subject
from callgate.policy.source import Policy


class AnalysisUnavailable(Exception):  # noqa: N818 - a fact about the installation
    """The solver is not installed. The message says what to install."""


class Limits(Value):
    """How much an analysis may take."""

    query_seconds: float = 2.0  # one question to the solver
    environment_seconds: float = 60.0  # all questions about one tool; then its process is ended
    workers: int = 2


def is_available() -> bool:
    """Whether the solver is installed."""
    return find_spec("z3") is not None


def analyse(subject: Subject, limits: Limits | None = None) -> Report:
    """What a policy set means. Blocks; in asyncio, call it by `asyncio.to_thread`.

    Raises AnalysisUnavailable where the extra `analysis` is not installed.
    """
    raise NotImplementedError


def compare(
    before: Subject, policies: Sequence[Policy], limits: Limits | None = None
) -> Comparison:
    """How `policies` decide otherwise than those of `before`, over the tools of `before`.

    Raises AnalysisUnavailable.
    """
    raise NotImplementedError
