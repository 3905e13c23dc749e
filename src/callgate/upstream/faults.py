"""Every way a target can fail, turned into the port's errors: did the tool run, and why not."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol, TypeVar

from callgate.deadlines import NEVER, Deadline, Deadlines
from callgate.model import Ran
from callgate.ports import TargetError
from callgate.protocol.framing import FramingError
from callgate.protocol.http1 import HttpError
from callgate.protocol.outbound import WireError
from callgate.protocol.refusals import misanswered
from callgate.upstream.sharing import Full
from callgate.upstream.tasks import Closed

T = TypeVar("T")


class Unreachable(Exception):  # noqa: N818 - says what is so; the port's error is TargetError
    """There is no way to the target, so nothing of the request was sent."""


class Lost(Exception):  # noqa: N818 - as above
    """The way to the target broke."""


class Faults:
    """The port's errors for one target, in sentences that the agent may read."""

    def __init__(self, name: str) -> None:
        self.deadlines = Deadlines()  # of what is waited for from it
        self._name = name

    def unavailable(self, detail: str, *, reason: str = "cannot be reached now") -> TargetError:
        """It was not reached: the tool did not run."""
        text = f"The target {self._name} {reason}; the tool did not run."
        return TargetError("target_unavailable", text, ran=Ran.NO, detail=detail)

    def timeout(self, seconds: float, *, is_sent: bool) -> TargetError:
        """It took too long, before or after the call was sent."""
        effect = "may have run" if is_sent else "did not run"
        text = f"The target {self._name} did not answer in time; the tool {effect}."
        ran = Ran.UNKNOWN if is_sent else Ran.NO
        stage = "the answer" if is_sent else "the connection"
        detail = f"{stage} took more than {seconds:g} s"
        return TargetError("target_timeout", text, ran=ran, detail=detail)

    def lost(self, detail: str) -> TargetError:
        """It died, or the way to it did, while the call was out."""
        text = f"The target {self._name} broke off before it answered; the tool may have run."
        return TargetError("target_lost", text, ran=Ran.UNKNOWN, detail=detail)

    def protocol(self, detail: str, *, ran: Ran = Ran.UNKNOWN) -> TargetError:
        """It answered what MCP does not allow."""
        text = misanswered(self._name)
        return TargetError("target_protocol_error", text, ran=ran, detail=detail)


class Sending(Protocol):
    """A request of which is known whether it was sent."""

    @property
    def is_sent(self) -> bool:
        """Whether any byte of it may have reached the target."""


class Patience(Deadline):
    """The time that a target may take. It stands still while the agent's client is asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._asking = 0
        self._left = seconds

    def __enter__(self) -> None:
        """The client is being asked now."""
        if self._asking == 0 and self.at < NEVER:
            self._left = self.at - asyncio.get_running_loop().time()
            self.move(NEVER)
        self._asking += 1

    def __exit__(self, *_: object) -> None:
        """The client has answered, or will not."""
        self._asking -= 1
        if self._asking == 0:
            self.move(asyncio.get_running_loop().time() + self._left)


async def within(
    patience: Patience | float, faults: Faults, sending: Sending, work: Awaitable[T]
) -> T:
    """Waits for the answer to one request. Raises TargetError, for whatever goes wrong."""
    if not isinstance(patience, Patience):
        patience = Patience(patience)
    patience.begin(faults.deadlines, patience.seconds)
    try:
        return await work
    except (TimeoutError, asyncio.CancelledError) as error:
        if patience.end() or isinstance(error, TimeoutError):
            raise faults.timeout(patience.seconds, is_sent=sending.is_sent) from None
        raise
    except (Unreachable, Closed, Full) as error:
        raise faults.unavailable(str(error)) from None
    except Lost as error:
        if sending.is_sent:
            raise faults.lost(str(error)) from None
        raise faults.unavailable(str(error)) from None
    except (HttpError, FramingError, WireError) as error:
        ran = error.ran if isinstance(error, WireError) else Ran.UNKNOWN
        raise faults.protocol(str(error), ran=ran if sending.is_sent else Ran.NO) from None
    finally:
        patience.end()
