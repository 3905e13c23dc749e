"""For people who test their interceptors and policies: builders, `decide`, `governed`."""

from callgate.testing.building import (
    a_list,
    a_message,
    a_principal,
    a_request,
    a_result,
    a_text,
    a_tool,
)
from callgate.testing.clocks import StillClock
from callgate.testing.deciding import ask, decide
from callgate.testing.governing import Governed, attach, governed
from callgate.testing.outcomes import Ended

__all__ = [
    "Ended",
    "Governed",
    "StillClock",
    "a_list",
    "a_message",
    "a_principal",
    "a_request",
    "a_result",
    "a_text",
    "a_tool",
    "ask",
    "attach",
    "decide",
    "governed",
]
