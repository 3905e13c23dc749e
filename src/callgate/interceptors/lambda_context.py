"""What a Lambda handler is given besides its event: the `context` object of the Python runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from callgate.model import Value


class Invocation(Value):
    """One event, as JSON, and what its handler may know about the call of itself."""

    event: bytes
    custom: Mapping[str, str]  # client context: GATEWAY_ARN and the like
    request_id: str  # of the invocation, not of the call
    function: str = ""
    deadline: float = 0.0  # ticks
    ticks: Callable[[], float] = lambda: 0.0


class ClientContext:
    """`context.client_context`, as far as a gateway fills it."""

    def __init__(self, custom: Mapping[str, str]) -> None:
        self.custom = dict(custom)
        self.env: dict[str, Any] = {}
        self.client = None


class LambdaContext:
    """`context`, with the members that the Python runtime of Lambda documents."""

    def __init__(self, invocation: Invocation) -> None:
        self.function_name = invocation.function
        self.function_version = "$LATEST"
        self.invoked_function_arn = (
            f"arn:aws:lambda:local:000000000000:function:{invocation.function}"
        )
        self.memory_limit_in_mb = "128"
        self.aws_request_id = invocation.request_id
        self.log_group_name = f"/aws/lambda/{invocation.function}"
        self.log_stream_name = "local"
        self.identity = None
        self.client_context = ClientContext(invocation.custom)
        self._invocation = invocation

    def get_remaining_time_in_millis(self) -> int:
        """How long the gateway still waits."""
        left = self._invocation.deadline - self._invocation.ticks()
        return max(0, int(left * 1000))
