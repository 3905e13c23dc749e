"""What an interceptor is written with; and one file per kind of interceptor."""

from callgate.scrutiny import (
    Decision,
    Interceptor,
    Listed,
    Message,
    Passive,
    Request,
    Result,
    View,
)

__all__ = [
    "Decision",
    "Interceptor",
    "Listed",
    "Message",
    "Passive",
    "Request",
    "Result",
    "View",
]
