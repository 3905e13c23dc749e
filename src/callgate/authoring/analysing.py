"""Runs the analysis of policies in processes of their own, with a time limit on every question."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from multiprocessing.connection import Connection, wait
from time import monotonic
from typing import Generic, TypeVar

from msgspec.structs import replace

from callgate.model import Value
from callgate.policy.analysis.checked import Checked, Compared, Differing, Doubt
from callgate.policy.analysis.collecting import report
from callgate.policy.analysis.compare import Comparison, Difference, Relation
from callgate.policy.analysis.environments import (
    Environment,
    changed_environments,
    environments,
)
from callgate.policy.analysis.findings import PRINCIPAL_KINDS, Report, Subject, Undecided
from callgate.policy.source import Policy

CHECK = "callgate.policy.analysis.checking:checked"
COMPARE = "callgate.policy.analysis.differing:compared"
_STARTING_SECONDS = 60.0  # the solver is large, and a process that is new has to read it
_ENDING_SECONDS = 5.0
_TOO_DEEP = "a policy has too many terms in a row for its analysis"
_READY = None  # what a worker says first

_Found = TypeVar("_Found", Checked, Compared)


class AnalysisUnavailable(Exception):  # noqa: N818 - a fact about the installation
    """The solver is not installed. The message says what to install."""


class Limits(Value):
    """How much an analysis may take."""

    query_seconds: float = 2.0  # one question to the solver
    environment_seconds: float = 60.0  # all questions about one tool; then its process is ended
    workers: int = 2  # processes


def is_available() -> bool:
    """Whether the solver is installed."""
    return find_spec("z3") is not None


def analyse(subject: Subject, limits: Limits | None = None) -> Report:
    """What a policy set means. Blocks; in asyncio, call it by `asyncio.to_thread`.

    Raises AnalysisUnavailable where the extra `analysis` is not installed.
    """
    _require()

    def late(environment: Environment, reason: str) -> Checked:
        doubt = Doubt(question="is anything wrong with the policies of these tools?", reason=reason)
        return Checked(tools=environment.tools, doubts=(doubt,))

    jobs = environments(subject)
    return report(subject, _Pool(CHECK, subject, limits or Limits(), late).run(jobs))


def compare(
    before: Subject, policies: Sequence[Policy], limits: Limits | None = None
) -> Comparison:
    """How `policies` decide otherwise than those of `before`, over the tools of `before`.

    Raises AnalysisUnavailable.
    """
    _require()

    def late(environment: Environment, reason: str) -> Compared:
        differing = (
            Differing(principal_type=name, relation=Relation.UNDECIDED, reason=reason)
            for name in PRINCIPAL_KINDS
        )
        return Compared(tools=environment.tools, differing=tuple(differing))

    jobs = changed_environments(before, policies)
    found = _Pool(COMPARE, before, limits or Limits(), late).run(jobs)
    differences = sorted(
        (_difference(tool, one) for each in found for tool in each.tools for one in each.differing),
        key=lambda difference: (difference.tool, difference.principal_type),
    )
    return Comparison(
        differences=tuple(differences),
        undecided=tuple(_undecided(one) for one in differences if one.reason),
        changed_policies=_changed(before.policies, policies),
        tools=len(before.tools),
        compared=sum(len(job.tools) for job in jobs),
        queries=sum(each.queries for each in found),
    )


def _difference(tool: str, found: Differing) -> Difference:
    return Difference(
        tool=tool,
        principal_type=found.principal_type,
        relation=found.relation,
        gained=found.gained and replace(found.gained, tool=tool),
        lost=found.lost and replace(found.lost, tool=tool),
        reason=found.reason,
    )


def _undecided(difference: Difference) -> Undecided:
    return Undecided(
        question=f"is {difference.tool} as permitted to {difference.principal_type} as before?",
        tools=(difference.tool,),
        reason=difference.reason,
    )


def _changed(before: Sequence[Policy], after: Sequence[Policy]) -> tuple[str, ...]:
    old, new = ({(p.id, p.digest, p.mode) for p in one} for one in (before, after))
    return tuple(sorted({identifier for identifier, _, _ in old ^ new}))


def _require() -> None:
    if not is_available():
        raise AnalysisUnavailable(
            "what policies mean is proven with an SMT solver, which is not installed: "
            "install callgate[analysis]"
        )


class _Worker:
    """One process that answers one job after the other."""

    def __init__(self, function: str, subject: Subject, seconds: float) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would copy threads and their locks
        self.connection, theirs = context.Pipe()
        arguments = (theirs, function, subject, seconds)
        self._process = context.Process(target=_work, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.job: int | None = None
        self.due_at = 0.0
        self._is_ready = False
        self._seconds = 0.0

    def give(self, number: int, job: Environment, seconds: float) -> None:
        """Starts a job. A worker that is not ready yet has time for that besides."""
        self.job, self._seconds = number, seconds
        self.due_at = monotonic() + seconds + (0.0 if self._is_ready else _STARTING_SECONDS)
        self.connection.send(job)

    def is_ready(self) -> None:
        """From here on its time runs."""
        self._is_ready = True
        self.due_at = monotonic() + self._seconds

    def end(self) -> None:
        """Ends the process, whatever it is doing."""
        self.connection.close()
        self._process.kill()
        self._process.join(_ENDING_SECONDS)


class _Pool(Generic[_Found]):
    """Runs one function over environments in several processes, and outlives each of them.

    A solver is native code: one that hangs or dies takes its process with it, and nothing else.
    """

    def __init__(
        self,
        function: str,
        subject: Subject,
        limits: Limits,
        late: Callable[[Environment, str], _Found],
    ) -> None:
        self._function, self._limits = function, limits
        # What is said of an environment that nobody got through.
        self._late: Callable[[Environment, str], _Found] = late
        self._subject = replace(subject, policies=(), tools=())  # each job brings its own

    def run(self, jobs: Sequence[Environment]) -> list[_Found]:
        """What was found about each environment, in their order."""
        found: dict[int, _Found] = {}
        waiting = deque(enumerate(jobs))
        workers = [self._worker() for _ in range(min(self._limits.workers, len(jobs)))]
        try:
            while len(found) < len(jobs):
                for position, worker in enumerate(workers):
                    if worker.job is None and waiting:
                        number, job = waiting.popleft()
                        try:
                            worker.give(number, job, self._limits.environment_seconds)
                        except RecursionError:  # nothing of it was sent
                            worker.job = None
                            found[number] = self._late(job, _TOO_DEEP)
                    elif worker.job is not None and monotonic() > worker.due_at:
                        limit = f"{self._limits.environment_seconds:g} s"
                        reason = f"its analysis was ended after {limit}"
                        found[worker.job] = self._late(jobs[worker.job], reason)
                        workers[position] = self._instead_of(worker)
                self._collect(workers, jobs, found)
        finally:
            for worker in workers:
                worker.end()
        return [found[number] for number in range(len(jobs))]

    def _collect(
        self, workers: list[_Worker], jobs: Sequence[Environment], found: dict[int, _Found]
    ) -> None:
        """Takes what is ready, or waits until something is or somebody is late."""
        busy = {worker.connection: n for n, worker in enumerate(workers) if worker.job is not None}
        if not busy:
            return
        due_at = min(workers[n].due_at for n in busy.values())
        for connection in wait(list(busy), max(0.0, due_at - monotonic()) + 0.01):
            assert isinstance(connection, Connection)  # noqa: S101 - we gave it nothing else
            position = busy[connection]
            worker = workers[position]
            assert worker.job is not None  # noqa: S101 - it is busy
            answer: _Found | str | None = "the process of the solver died"
            with suppress(EOFError, OSError):
                answer = connection.recv()
            if answer is _READY:
                worker.is_ready()
            elif isinstance(answer, str):
                found[worker.job] = self._late(jobs[worker.job], answer)
                workers[position] = self._instead_of(worker)
            else:
                found[worker.job] = answer
                worker.job = None

    def _worker(self) -> _Worker:
        return _Worker(self._function, self._subject, self._limits.query_seconds)

    def _instead_of(self, worker: _Worker) -> _Worker:
        worker.end()
        return self._worker()


def _work(connection: Connection, function: str, subject: Subject, seconds: float) -> None:
    """The life of a worker: an environment in, what was found out."""
    module, _, name = function.partition(":")
    ask = getattr(import_module(module), name)  # here only: the solver is an extra
    with suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        connection.send(_READY)
        while True:
            job = connection.recv()
            try:
                answer = ask(subject, job, seconds)
            except Exception as error:  # noqa: BLE001 - said as undecided, never taken for an answer
                answer = f"internal error: {type(error).__name__}: {error}"
            connection.send(answer)
