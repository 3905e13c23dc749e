"""Blocking work runs beside the event loop, in few threads, and never keeps the process alive."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from callgate.pipeline.threads import Job, Threads
from callgate.upstream.tasks import Closed
from fakes.store import until

WHO: ContextVar[str] = ContextVar("who")


def fails() -> None:
    raise LookupError("gone")


def test_results_errors_and_context_come_back() -> None:
    async def scenario() -> None:
        threads = Threads(2, "test")
        WHO.set("ada")
        assert await threads.run(Job(lambda: (WHO.get(), threading.current_thread().name))) == (
            "ada",
            "test-1",
        )
        with pytest.raises(LookupError, match="gone"):
            await threads.run(Job(fails))
        with pytest.raises(RuntimeError, match="SystemExit"):
            await threads.run(Job(lambda: sys.exit(1)))
        threads.close()
        with pytest.raises(Closed):
            await threads.run(Job(fails))

    asyncio.run(scenario())


def test_what_a_future_cannot_hold_is_raised_in_words() -> None:
    async def scenario() -> None:
        threads = Threads(1, "test")

        def stop() -> None:
            raise StopIteration("enough")

        async with asyncio.timeout(30):
            with pytest.raises(RuntimeError, match=r"StopIteration\('enough'\)"):
                await threads.run(Job(stop))
        threads.close()

    asyncio.run(scenario())


def test_no_more_threads_run_than_may_and_idle_ones_are_used_again() -> None:
    async def scenario() -> None:
        threads = Threads(3, "test")
        running, most, lock = 0, 0, threading.Lock()
        gate = threading.Event()

        def work() -> str:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            gate.wait(60)
            with lock:
                running -= 1
            return threading.current_thread().name

        for _ in range(5):
            gate.set()
            assert await threads.run(Job(work)) == "test-1"
        gate.clear()
        jobs = [asyncio.ensure_future(threads.run(Job(work))) for _ in range(10)]
        await until(lambda: running == 3)
        gate.set()
        assert set(await asyncio.gather(*jobs)) == {"test-1", "test-2", "test-3"}
        assert most == 3
        threads.close()

    asyncio.run(scenario())


def test_work_nobody_waits_for_never_begins_and_begun_work_goes_on() -> None:
    async def scenario() -> None:
        threads = Threads(1, "test")
        gate = threading.Event()
        done: list[object] = []
        first, second = Job(lambda: done.append(gate.wait(60))), Job(lambda: done.append("second"))
        tasks = [asyncio.ensure_future(threads.run(job)) for job in (first, second)]
        while not first.has_begun:  # noqa: ASYNC110 - a thread has no asyncio event
            await asyncio.sleep(0.001)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gate.set()
        assert await threads.run(Job(lambda: "third")) == "third"
        assert done == [True]
        assert not second.has_begun
        threads.close()

    asyncio.run(scenario())


def test_work_that_never_ends_does_not_keep_the_process_alive() -> None:
    program = (
        "import asyncio, time\n"
        "from callgate.pipeline.threads import Job, Threads\n"
        "async def main():\n"
        "    try:\n"
        "        async with asyncio.timeout(0.1):\n"
        "            await Threads(1, 'x').run(Job(lambda: time.sleep(60)))\n"
        "    except TimeoutError:\n"
        "        print('given up')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=120, check=True
    )
    assert ended.stdout.strip() == b"given up"
