"""A Lambda-style handler that runs here: copies of its module, each with a thread of its own."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import ModuleType
from typing import Any

from callgate.interceptors.beside import FromSource, as_they_are_now, files_of_script
from callgate.interceptors.faults import InterceptorError
from callgate.interceptors.lambda_context import Invocation, LambdaContext

MAX_STUCK = 16  # threads that go on after nobody waits any more, before copies are not replaced
_numbers = count(1)

Handler = Callable[[Any, LambdaContext], Any]


class FunctionError(Exception):
    """The function gave no answer; the message says why."""


class LocalFunction:
    """`file.py:function`, called as the Lambda runtime does: one event at a time in each copy.

    A handler that does not return in time cannot be ended. Its copy is given up then, and another
    takes its place: at most `MAX_STUCK` of them, beyond which calls wait until one returns.
    """

    def __init__(self, reference: str, directory: Path, most: int) -> None:
        self._source = _Source(reference, directory)
        self._most = most
        self._made = 1
        self._stuck = 0
        self._idle = deque([_Copy(self._source, self._source.load())])  # a fault is said now
        self._waiting: deque[asyncio.Future[_Copy]] = deque()
        self._is_closed = False

    async def invoke(self, invocation: Invocation) -> bytes:
        """The handler's answer as JSON. Raises FunctionError, and what the handler raises."""
        if self._is_closed:
            raise FunctionError("the interceptor was closed")
        copy = await self._free_copy()
        done = copy.begin(invocation)
        try:
            answer = await asyncio.shield(done)
        except asyncio.CancelledError:
            if not done.done():
                self._give_up(copy, done)
                raise
            self._take_back(copy)
            raise
        except BaseException:
            self._take_back(copy)
            raise
        self._take_back(copy)
        return answer

    async def _free_copy(self) -> _Copy:
        if self._idle:
            return self._idle.pop()
        if self._made < self._most:
            self._made += 1
            return _Copy(self._source)
        turn: asyncio.Future[_Copy] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._take_back(turn.result())
            raise

    def _take_back(self, copy: _Copy) -> None:
        while self._waiting and not self._is_closed:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(copy)
                return
        if self._is_closed:
            copy.close()
        else:
            self._idle.append(copy)

    def _give_up(self, copy: _Copy, done: asyncio.Future[bytes]) -> None:
        """Nobody waits for the handler any more, and it is still running."""
        if self._stuck >= MAX_STUCK:
            done.add_done_callback(lambda ended: self._returned(copy, ended))
            return
        self._stuck += 1
        done.add_done_callback(lambda ended: self._ended(copy, ended))
        self._take_back(_Copy(self._source))

    def _returned(self, copy: _Copy, ended: asyncio.Future[bytes]) -> None:
        _heard(ended)
        self._take_back(copy)

    def _ended(self, copy: _Copy, ended: asyncio.Future[bytes]) -> None:
        _heard(ended)
        self._stuck -= 1
        copy.close()

    async def close(self) -> None:
        """Lets idle threads end; those that are busy end after their work."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()


def _heard(ended: asyncio.Future[bytes]) -> None:
    """Nobody waited for it, so that its error is nobody's."""
    if not ended.cancelled():
        ended.exception()


class _Source:
    """Where the handler is, and how a copy of its module is made."""

    def __init__(self, reference: str, directory: Path) -> None:
        file, _, self._function = reference.rpartition(":")
        self._reference = reference
        self._file = (directory / file).resolve()

    def load(self) -> tuple[Handler, str]:
        """The handler of a new copy, and its module's name. Raises InterceptorError."""
        if not self._file.is_file():
            raise InterceptorError(f"{self._reference}: {self._file} does not exist; create it")
        place = str(self._file.parent)
        if place not in sys.path:
            sys.path.insert(0, place)
        try:
            with as_they_are_now(files_of_script(self._file)):
                module = self._module()
        except (Exception, SystemExit) as error:
            problem = f"the module cannot be loaded: {type(error).__name__}: {error}"
            raise InterceptorError(f"{self._reference}: {problem}") from error
        try:
            return self._checked(getattr(module, self._function, None)), module.__name__
        except InterceptorError:
            _forget(module.__name__)
            raise

    def _module(self) -> ModuleType:
        # A name of its own: each copy has its own globals, as each environment of Lambda has.
        name = f"_callgate_lambda_{next(_numbers)}_{self._file.stem}"
        loader = FromSource(name, str(self._file))
        spec = importlib.util.spec_from_file_location(name, self._file, loader=loader)
        if spec is None or spec.loader is None:
            raise ImportError(f"{self._file} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # dataclasses and pickle look their module up there
        try:
            spec.loader.exec_module(module)
        except BaseException:
            _forget(name)
            raise
        return module

    def _checked(self, handler: Any) -> Handler:
        if not callable(handler):
            problem = f"{self._file.name} has no function {self._function}"
            raise InterceptorError(f"{self._reference}: {problem}")
        if inspect.iscoroutinefunction(handler):
            problem = "an async function is no Lambda handler; use the kind `python`, or def"
            raise InterceptorError(f"{self._reference}: {problem}")
        try:
            inspect.signature(handler).bind(object(), object())
        except (TypeError, ValueError):
            problem = "the function must take two arguments, event and context"
            raise InterceptorError(f"{self._reference}: {problem}") from None
        return handler  # type: ignore[no-any-return] # as far as can be told before it is called


def _forget(name: str) -> None:
    """A copy's module is needed no more."""
    sys.modules.pop(name, None)


class _Job:
    """One event for a copy, and who waits for the answer."""

    def __init__(self, invocation: Invocation) -> None:
        self.invocation = invocation
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[bytes] = self._loop.create_future()

    def end(self, answer: bytes | None, error: Exception | None) -> None:
        with suppress(RuntimeError):  # the loop has closed meanwhile: nobody waits
            self._loop.call_soon_threadsafe(self._settle, answer, error)

    def _settle(self, answer: bytes | None, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif answer is not None:
            self.done.set_result(answer)


class _Copy:
    """One copy of the module, and the daemon thread that it runs in: it keeps no process alive."""

    def __init__(self, source: _Source, loaded: tuple[Handler, str] | None = None) -> None:
        self._source = source
        self._loaded = loaded
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._is_started = False

    def begin(self, invocation: Invocation) -> asyncio.Future[bytes]:
        """Hands an event in; the future is the answer."""
        if not self._is_started:
            self._is_started = True
            threading.Thread(target=self._work, name="callgate-lambda", daemon=True).start()
        job = _Job(invocation)
        self._jobs.put(job)
        return job.done

    def close(self) -> None:
        """Ends the thread after its work."""
        if self._is_started:
            self._jobs.put(None)
        else:
            self._forget()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            try:
                answer = self._answer(job.invocation)
            except Exception as error:  # noqa: BLE001 - it belongs to who waits
                job.end(None, error)
            except BaseException as error:  # noqa: BLE001 - sys.exit() ends the answer, not us
                job.end(None, FunctionError(f"it ended with {error!r:.100}"))
            else:
                job.end(answer, None)
        self._forget()

    def _answer(self, invocation: Invocation) -> bytes:
        if self._loaded is None:
            self._loaded = self._source.load()
        answer = self._loaded[0](json.loads(invocation.event), LambdaContext(invocation))
        try:
            return json.dumps(answer).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise FunctionError(f"its answer is not JSON: {error}") from None

    def _forget(self) -> None:
        if self._loaded is not None:
            _forget(self._loaded[1])
