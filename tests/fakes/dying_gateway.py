"""A gateway to kill: records intents, and leaves a mark for each only once it is durable.

While the record cannot be written, it does nothing and says so in the record later, as gateways do.

python dying_gateway.py STORE MARKS PREFIX

STORE: a file, or the URL of a PostgreSQL database; then the key to sign with is in the environment.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from callgate.app.clock import SystemClock
from callgate.model import Ran
from callgate.ports import StoreError
from callgate.storage.postgres_url import is_url
from callgate.storage.settings import StoreSettings
from callgate.storage.store import RecordStore
from fakes.store import an_intent, an_outcome


def settings_of(store: str) -> StoreSettings:
    if is_url(store):
        key = os.environ["CALLGATE_SIGNING_KEY"]
        return StoreSettings(url=store, signing_key=key, checkpoint_seconds=0.05)
    return StoreSettings(path=Path(store))


async def live(store_name: str, marks_path: Path, prefix: str) -> None:
    store = RecordStore(settings_of(store_name), SystemClock())
    await store.open()
    marks = os.open(marks_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def agent(number: int) -> None:
        for turn in range(1_000_000):
            call_id = f"{prefix}-{number}-{turn}"
            try:
                await store.append(an_intent(call_id))
            except StoreError:
                store.append_soon(an_outcome(call_id, code="record_unavailable", ran=Ran.NO))
                await asyncio.sleep(0.02)
                continue
            os.write(marks, f"{call_id}\n".encode())  # the side effect
            await asyncio.sleep(0)
            if (number + turn) % 3:
                store.append_soon(an_outcome(call_id))

    async with asyncio.TaskGroup() as agents:
        for number in range(8):
            agents.create_task(agent(number))


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
