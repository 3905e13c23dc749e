"""What applications and the server that calls them say to each other: ASGI 3.0."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Event = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ALIKE = "callgate.alike"
"""In the scope of a request whose head is the same to the byte as that of others, but for the
length: a dict in which applications keep what follows from such a head. Not what follows from who
sends it, which is no part of the head. Bound what you keep there.
"""
