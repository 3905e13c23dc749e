"""The `lambda:` block of an interceptor: a handler that runs here, or a function elsewhere."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from callgate.aws_signing import CredentialSettings
from callgate.closed_client import checked_url
from callgate.settings import Settings

MAX_PAYLOAD_BYTES = 6 << 20  # of an event, and of an answer: Lambda's own bound
_ACCOUNT = 4  # the place of the account in an ARN

_REFERENCE = r"^[^:]+\.py:[A-Za-z_]\w*$"


class FunctionSettings(Settings):
    """Which function, and where."""

    handler: Annotated[str, StringConstraints(pattern=_REFERENCE)] | None = None
    """A handler that runs here: `file.py:function`, relative to callgate.yaml."""

    copies: int = Field(default=4, ge=1, le=64)
    """How many copies of a handler's module serve calls side by side, each one call at a time."""

    function: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:_$./-]{1,256}$")] | None = None
    """Instead, a function elsewhere: its name or ARN. Needs `callgate[aws]`."""

    qualifier: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_$-]{1,128}$")] | None = None
    """A version or an alias of the function."""

    endpoint: str | None = None
    """Where its Invoke API is, if not at AWS itself: a VPC endpoint, an emulator. https, or http on
    this machine."""

    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    """The AWS region; taken from the ARN or from AWS_REGION where left out."""

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str | None) -> str | None:
        if endpoint is not None and "?" in endpoint:
            raise ValueError("must not have a query")
        return None if endpoint is None else checked_url(endpoint)

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.handler is None) is (self.function is None):
            raise ValueError("name either `handler`, which runs here, or `function`, elsewhere")
        return self


# The function is the last base so that it is documented first.
class LambdaSettings(CredentialSettings, FunctionSettings):
    """A Lambda-style handler, with AgentCore's payload contract 1.0."""

    pass_request_headers: bool = False
    """Whether the event carries the headers of the request, those that `headers` of the
    interceptor names. Without it `headers` of the event is empty."""

    gateway_arn: Annotated[str, StringConstraints(pattern=r"^arn(:[^:\s]*){4}(:\S+)$")] = (
        "arn:aws:bedrock-agentcore:local:000000000000:gateway/callgate"
    )
    """What the client context says as GATEWAY_ARN; GATEWAY_ACCOUNT_ID is the account in it."""

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, said: Any) -> Any:
        return {"handler": said} if isinstance(said, str) else said

    @property
    def account(self) -> str:
        """The account in the gateway's ARN."""
        return self.gateway_arn.split(":")[_ACCOUNT]


def with_short_form(schema: dict[str, Any]) -> None:
    """Has the JSON Schema of a field with a block say that the handler alone will do, too."""
    schema["anyOf"].insert(0, {"type": "string", "pattern": _REFERENCE})
