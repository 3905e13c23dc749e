"""What entries refer to is recorded once, and before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from callgate.audit.event import event
from callgate.audit.record import Entry, Telling
from callgate.pipeline.defining import Definitions
from callgate.ports import StoreError
from fakes.calls import a_principal, a_tool
from fakes.store import FakeCallStore


def named(identifier: str) -> Callable[[], Entry]:
    return lambda: event("tool_defined", 1.0, {}, identifier=identifier)


def ids(store: FakeCallStore) -> list[str]:
    return [entry.call_id for entry in store.kept]


class SlowStore(FakeCallStore):
    """Nothing is durable before `let`."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()
        self.asked = 0

    async def append(self, entry: Telling) -> None:
        self.asked += 1
        await self.let.wait()
        await super().append(entry)


def test_many_who_need_it_at_once_wait_for_one_entry() -> None:
    async def play() -> None:
        store, definitions = SlowStore(), Definitions()
        waiting = [
            asyncio.ensure_future(definitions.define("tool:1", named("tool:1"), store))
            for _ in range(10)
        ]
        await asyncio.sleep(0)
        assert not any(one.done() for one in waiting)

        store.let.set()
        await asyncio.gather(*waiting)

        assert (ids(store), store.asked) == (["tool:1"], 1)
        assert definitions.has("tool:1")

    asyncio.run(play())


def test_who_gives_up_leaves_the_work_to_the_others() -> None:
    async def play() -> None:
        store, definitions = SlowStore(), Definitions()
        first, second = (
            asyncio.ensure_future(definitions.define("tool:1", named("tool:1"), store))
            for _ in "12"
        )
        await asyncio.sleep(0)
        first.cancel()
        store.let.set()
        await second

        assert ids(store) == ["tool:1"]

    asyncio.run(play())


def test_what_could_not_be_recorded_is_tried_again_by_the_next() -> None:
    async def play() -> None:
        store, definitions = FakeCallStore(), Definitions()
        store.fail("disk full")
        for _ in range(2):
            with pytest.raises(StoreError, match="disk full"):
                await definitions.define("tool:1", named("tool:1"), store)
        store.mend()
        await definitions.define("tool:1", named("tool:1"), store)

        assert ids(store) == ["tool:1"]

    asyncio.run(play())


def test_what_is_only_queued_is_not_relied_on_by_an_intent() -> None:
    async def play() -> None:
        store, definitions = FakeCallStore(), Definitions()
        store.fail()
        definitions.define_soon("tool:1", named("tool:1"), store)
        definitions.define_soon("tool:1", named("tool:1"), store)

        assert not definitions.has("tool:1")
        with pytest.raises(StoreError):
            await definitions.define("tool:1", named("tool:1"), store)
        store.mend()
        assert ids(store) == ["tool:1"]

    asyncio.run(play())


def test_what_is_durable_is_not_queued_again() -> None:
    async def play() -> None:
        store, definitions = FakeCallStore(), Definitions()
        await definitions.define("tool:1", named("tool:1"), store)
        definitions.define_soon("tool:1", named("tool:1"), store)

        assert ids(store) == ["tool:1"]

    asyncio.run(play())


def test_memory_is_bounded_and_what_is_forgotten_is_recorded_again() -> None:
    async def play() -> None:
        store, definitions = FakeCallStore(), Definitions(most=2)
        for identifier in ("tool:1", "tool:2", "tool:1", "tool:3", "tool:1", "tool:2"):
            await definitions.define(identifier, named(identifier), store)

        assert ids(store) == ["tool:1", "tool:2", "tool:3", "tool:2"]

    asyncio.run(play())


def test_after_a_fault_everything_is_recorded_again_for_it_may_be_another_store() -> None:
    store, definitions = FakeCallStore(), Definitions()

    async def play() -> None:
        await definitions.define("tool:1", named("tool:1"), store)
        definitions.define_soon("tool:2", named("tool:2"), store)
        definitions.forget()
        await definitions.define("tool:1", named("tool:1"), store)
        definitions.define_soon("tool:2", named("tool:2"), store)

    asyncio.run(play())
    assert ids(store) == ["tool:1", "tool:2", "tool:1", "tool:2"]


def test_what_is_forgotten_is_recorded_once_more_also_what_is_being_written() -> None:
    async def play() -> None:
        store, definitions = SlowStore(), Definitions()
        waiting = asyncio.ensure_future(
            definitions.define("principal:1", named("principal:1"), store)
        )
        await asyncio.sleep(0)
        definitions.forget("principal:")  # its description is looked for, and may be found
        store.let.set()
        await waiting
        await definitions.define("tool:1", named("tool:1"), store)
        definitions.forget("principal:")

        assert ids(store) == ["principal:1", "principal:1", "tool:1"]
        assert (definitions.has("principal:1"), definitions.has("tool:1")) == (False, True)

    asyncio.run(play())


def test_what_calls_of_a_principal_and_a_tool_refer_to_is_found_out_once() -> None:
    store, definitions = FakeCallStore(), Definitions()
    ada, tool = a_principal("ada"), a_tool()
    named_ids = ("principal:1", "tool:1")

    async def play() -> None:
        definitions.cover(ada, tool, named_ids)
        assert not definitions.covers(ada, tool)  # not all of it is there
        for identifier in named_ids:
            await definitions.define(identifier, named(identifier), store)
        definitions.cover(ada, tool, named_ids)
        assert definitions.covers(ada, tool)
        assert not definitions.covers(ada, a_tool())
        assert not definitions.covers(a_principal("ada"), tool)

    asyncio.run(play())


def test_it_is_found_out_anew_where_something_was_forgotten_or_other_policies_stand() -> None:
    store, definitions = FakeCallStore(), Definitions(most=2)
    tool = a_tool()

    async def play() -> None:
        async def covered() -> bool:
            await definitions.define("tool:1", named("tool:1"), store)
            definitions.cover(None, tool, ("tool:1",))
            return definitions.covers(None, tool)

        assert await covered()
        definitions.forget("principal:")
        assert not definitions.covers(None, tool)

        assert await covered()
        for identifier in ("tool:2", "tool:3"):
            await definitions.define(identifier, named(identifier), store)
        assert not definitions.covers(None, tool)

        assert await covered()
        definitions.standing = ("policies:2", named("policies:2"))
        assert not definitions.covers(None, tool)
        assert not await covered()
        await definitions.define(*definitions.standing, store)
        assert await covered()

    asyncio.run(play())
