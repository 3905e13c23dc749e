import asyncio
import threading
from contextlib import suppress

import pytest

from callgate.witnesses.apart import Apart, Hanging
from fakes.store import until


def test_work_is_done_and_its_faults_are_handed_on() -> None:
    done: list[int] = []

    def fail() -> None:
        raise OSError("no")

    def late() -> None:
        raise TimeoutError("its own")

    async def run() -> None:
        apart = Apart("t")
        await apart.run(lambda: done.append(1), 10)
        with pytest.raises(OSError, match="no"):
            await apart.run(fail, 10)
        with pytest.raises(TimeoutError, match="its own"):
            await apart.run(late, 10)

    asyncio.run(run())
    assert done == [1]


def test_what_hangs_costs_one_thread() -> None:
    release, begun = threading.Event(), list[int]()

    def hang() -> None:
        begun.append(1)
        release.wait(20)

    async def run() -> None:
        apart = Apart("t")
        for _ in range(3):
            with pytest.raises(Hanging):
                await apart.run(hang, 0.01)
        await until(lambda: len(begun) == 1)
        release.set()
        while len(begun) == 1:
            with suppress(Hanging):  # until the thread has seen it
                await apart.run(lambda: begun.append(2), 10)

    asyncio.run(run())
    assert begun == [1, 2]
