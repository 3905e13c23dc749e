"""How a program that decides takes its turns: timed decisions, as JSON lines. Needs nothing."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Question = TypeVar("Question")
Prepared = TypeVar("Prepared")
Answer = tuple[bool, list[str]]  # whether it is permitted, and the ids of the policies that did


class Asked:
    """Questions of one kind, asked in turns, round and round."""

    def __init__(self, questions: Sequence[Any]) -> None:
        self.questions = questions
        self._numbers: Iterator[int] = itertools.cycle(range(len(questions)))

    def turn(
        self,
        limit: int,
        seconds: float,
        prepare: Callable[[Any], Prepared],
        ask: Callable[[Prepared], Any],
        read: Callable[[Any], Answer],
    ) -> dict[str, Any]:
        """CPU µs of this thread per decision; what is prepared and read is not counted."""
        took: list[float] = []
        answers: list[tuple[int, Answer]] = []
        ends_at = time.monotonic() + seconds
        while self.questions and len(took) < limit and (not took or time.monotonic() < ends_at):
            number = next(self._numbers)
            prepared = prepare(self.questions[number])
            begun = time.thread_time_ns()
            answer = ask(prepared)
            took.append((time.thread_time_ns() - begun) / 1e3)
            answers.append((number, read(answer)))
        return {"us": took, "answers": answers}


def serve(take_turn: Callable[[int, float], dict[str, Any]]) -> None:
    """Says that it is ready, then takes a turn for every line that it reads."""
    print(json.dumps({"is_ready": True}), flush=True)
    for line in sys.stdin:
        turn = json.loads(line)
        print(json.dumps(take_turn(turn["limit"], turn["seconds"])), flush=True)
