"""How a call ended, in one word: `ok`, `tool_error`, or the code of its refusal."""

from __future__ import annotations

from callgate.model import Outcome, Reply
from callgate.protocol.mcp import is_tool_error

OK = "ok"
TOOL_ERROR = "tool_error"


def code_of(outcome: Outcome) -> str:
    """A refusal goes before what the tool said: its result was not delivered."""
    return outcome.refusal_code or code_of_reply(outcome.call.reply)


def code_of_reply(reply: Reply | None) -> str:
    """`tool_error` where the target itself said that the tool failed."""
    return TOOL_ERROR if reply is not None and is_tool_error(reply) else OK
