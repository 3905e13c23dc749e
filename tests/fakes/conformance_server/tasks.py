"""The tasks extension (SEP-2663): calls that go on after their request was answered."""

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fakes.conformance_server.exchange import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    Caller,
    Exchange,
    Json,
    RpcError,
    World,
    is_answer,
)
from fakes.conformance_server.tool import Tool

TTL_MS = 300_000
POLL_MS = 100
MOST_TASKS = 1000


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - the protocol wants the wall clock, and this process is its own


@dataclass
class Task:
    """One call that became a task."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    status: str = "working"
    created_at: str = field(default_factory=_now)
    updated_at: str = field(default_factory=_now)
    outcome: Json = field(default_factory=dict)
    asks: dict[str, Json] = field(default_factory=dict)
    answers: dict[str, Json] = field(default_factory=dict)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    job: asyncio.Task[None] | None = None

    @property
    def is_over(self) -> bool:
        return self.status in ("completed", "failed", "cancelled")

    def head(self) -> Json:
        return {
            "taskId": self.id,
            "status": self.status,
            "createdAt": self.created_at,
            "lastUpdatedAt": self.updated_at,
            "ttlMs": TTL_MS,
            "pollIntervalMs": POLL_MS,
        }

    def detailed(self) -> Json:
        waiting = {"inputRequests": dict(self.asks)} if self.status == "input_required" else {}
        return self.head() | self.outcome | waiting


class TaskExchange(Exchange):
    """What a tool may do as a task: it asks through the task, and has no stream."""

    def __init__(self, world: World, caller: Caller, task: Task) -> None:
        super().__init__(world, caller)
        self._task = task

    def notify(self, method: str, params: Json) -> None:
        """The request that this would belong to was answered."""

    async def ask(self, asks: Mapping[str, Json], *, stateful: bool = True) -> dict[str, Json]:
        for ask in asks.values():
            self.require(ask)
        minted = {key: f"{key}-{secrets.token_hex(4)}" for key in asks}
        self._task.asks.update({minted[key]: ask for key, ask in asks.items()})
        move(self.world, self._task, "input_required")
        while self._task.asks:
            self._task.answered.clear()
            await self._task.answered.wait()
        move(self.world, self._task, "working")
        return {key: self._task.answers[name] for key, name in minted.items()}


def move(world: World, task: Task, status: str, outcome: Json | None = None) -> None:
    if task.is_over:
        return
    task.status, task.updated_at, task.outcome = status, _now(), outcome or {}
    world.publish("notifications/tasks", task.detailed())


class Tasks:
    """All tasks, and the methods that read and change them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: dict[str, Task] = {}

    def create(self, tool: Tool, arguments: Json, caller: Caller) -> Json:
        task = Task()
        if len(self._tasks) >= MOST_TASKS:
            self._tasks.pop(next(iter(self._tasks)))
        self._tasks[task.id] = task
        task.job = self._world.spawn(self._run(tool, arguments, caller, task))
        asyncio.get_running_loop().call_later(TTL_MS / 1000, self._tasks.pop, task.id, None)
        return task.head() | {"resultType": "task"}

    async def _run(self, tool: Tool, arguments: Json, caller: Caller, task: Task) -> None:
        exchange = TaskExchange(self._world, caller, task)
        try:
            result = await tool.run(exchange, arguments)
        except RpcError as error:
            move(self._world, task, "failed", {"error": error.body()})
        except Exception as error:  # noqa: BLE001 - whatever a tool does, its task must end
            body = RpcError(INTERNAL_ERROR, repr(error)).body()
            move(self._world, task, "failed", {"error": body})
        else:
            move(self._world, task, "completed", {"result": result})

    async def get(self, params: Json) -> Json:
        return self._find(params).detailed()

    async def update(self, params: Json) -> Json:
        task = self._find(params)
        responses = params.get("inputResponses")
        if not isinstance(responses, dict):
            raise RpcError(INVALID_PARAMS, "`inputResponses` must be an object")
        for key, response in responses.items():
            if key in task.asks and is_answer(task.asks[key], response):
                task.answers[key] = response
                del task.asks[key]
                task.answered.set()
        return {}

    async def cancel(self, params: Json) -> Json:
        task = self._find(params)
        if not task.is_over and task.job is not None:
            move(self._world, task, "cancelled")
            task.job.cancel()
        return {}

    def _find(self, params: Json) -> Task:
        task = self._tasks.get(str(params.get("taskId")))
        if task is None:
            raise RpcError(INVALID_PARAMS, "Unknown task", {"taskId": params.get("taskId")})
        return task
