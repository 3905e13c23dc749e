"""Analyses that go wrong at the tool `fails`, as native code may; they run in workers."""

from __future__ import annotations

import os
import time

from callgate.policy.analysis.checked import Checked
from callgate.policy.analysis.checking import checked
from callgate.policy.analysis.environments import Environment
from callgate.policy.analysis.findings import Subject


def _is_fatal(environment: Environment) -> bool:
    return environment.tool.name == "fails"


def that_dies(subject: Subject, environment: Environment, seconds: float) -> Checked:
    if _is_fatal(environment):
        os.abort()
    return checked(subject, environment, seconds)


def that_hangs(subject: Subject, environment: Environment, seconds: float) -> Checked:
    while _is_fatal(environment):
        time.sleep(0.1)
    return checked(subject, environment, seconds)


def that_raises(subject: Subject, environment: Environment, seconds: float) -> Checked:
    if _is_fatal(environment):
        raise ValueError("no")
    return checked(subject, environment, seconds)
