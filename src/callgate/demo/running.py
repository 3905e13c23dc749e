"""Runs the demo: the real gateway, the story played against it, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from rich.console import Console

from callgate.app.application import Application
from callgate.app.process import StopServing, serve
from callgate.config import Config
from callgate.config.loading import load_config
from callgate.demo.directory import Demo, free_ports
from callgate.demo.playing import Played, Player, StoryError
from callgate.demo.screen import (
    Refusal,
    show_beginning,
    show_calls,
    show_next,
    show_part,
    show_problems,
    show_sum,
)
from callgate.demo.story import STORY, Part
from callgate.model import Json

READY_SECONDS = 30.0
STORY_SECONDS = 90.0
LOOK_EVERY_SECONDS = 0.05


def configured(demo: Demo) -> Config:
    """The demo's configuration, on other ports where somebody has taken its own."""
    config = load_config(demo.config)
    agents, control = config.listeners.agents, config.listeners.control
    ports = free_ports((agents.port, control.port))
    listeners = config.listeners.model_copy(
        update={
            "agents": agents.model_copy(update={"port": ports[0]}),
            "control": control.model_copy(update={"port": ports[1]}),
        }
    )
    return config.model_copy(update={"listeners": listeners})


class Running:
    """One run of the demo. `problems` says, afterwards, what did not come out as told."""

    def __init__(self, demo: Demo, console: Console, *, stays_up: bool) -> None:
        self.problems: list[str] = []
        self._demo = demo
        self._console = console
        self._stays_up = stays_up
        self._calls: list[dict[str, Json]] = []
        self._refused: Refusal | None = None

    async def run(self, config: Config) -> None:
        """Until the story is told; or, where it stays up, until it is stopped."""
        agents = config.listeners.agents
        self._url = f"http://{agents.host}:{agents.port}/mcp"
        await serve(config, ready=self.tell)

    async def tell(self, application: Application) -> None:
        """Plays the story and says how it went. Raises StopServing where nobody stays."""
        try:
            async with asyncio.timeout(STORY_SECONDS):
                await _all_listed(application)
                await self._story(application)
        except* Exception as errors:  # noqa: BLE001 - whatever ends the story early is its problem
            self.problems += [said_of(error) for error in _leaves(errors)]
        if self.problems:
            show_problems(self._console, self.problems)
        if self._refused:
            show_next(self._console, self._demo, self._url, self._refused, is_up=self._stays_up)
        if not self._stays_up:
            raise StopServing
        self._console.print("\nCtrl-C stops the gateway.")

    async def _story(self, application: Application) -> None:
        show_beginning(self._console, self._demo, self._url)
        player = Player(self._url, application.config.store.path)
        await player.begin()
        for part in STORY:
            await self._part(player, part, application)
        show_sum(self._console, self._calls)

    async def _part(self, player: Player, part: Part, application: Application) -> None:
        agent = next(
            key.agent or key.principal
            for key in application.config.identity.api_keys
            if key.principal == part.principal
        )
        async with player.connected(self._demo.keys[part.principal], agent) as client:
            listed = await player.list_tools(client, part)
            show_part(self._console, part, agent, listed, len(application.catalog.tools()))
            played = [await player.play(client, part, step) for step in part.steps]
        self._keep(part, played)
        self.problems += listed.problems

    def _keep(self, part: Part, played: Sequence[Played]) -> None:
        first = len(self._calls) + 1
        show_calls(self._console, played, first)
        self._calls += [one.call for one in played]
        for number, one in enumerate(played, start=first):
            self.problems += [
                f"call {number}, {part.principal} to {one.step.tool}: {problem}"
                for problem in one.problems
            ]
            if one.step.code == "not_permitted" and one.step.policies and not self._refused:
                self._refused = Refusal(number=number, id=one.call["call"][:16])


async def _all_listed(application: Application) -> None:
    """Waits until every target has said which tools it has. Raises StoryError."""
    targets = list(application.config.targets)
    catalog = application.catalog
    try:
        async with asyncio.timeout(READY_SECONDS):
            while waited_for := [name for name in targets if not catalog.tools(name)]:
                await catalog.ensure()
                await asyncio.sleep(LOOK_EVERY_SECONDS)
    except TimeoutError:
        name = waited_for[0]
        detail = catalog.connector(name).status.detail
        raise StoryError(f"the target {name} did not answer: {detail}") from None


def _leaves(group: BaseExceptionGroup[Exception]) -> list[BaseException]:
    """The exceptions in a group, however deep: the client's task groups nest them."""
    found: list[BaseException] = []
    for error in group.exceptions:
        found += _leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found


def said_of(error: BaseException) -> str:
    """An exception in one line."""
    if isinstance(error, StoryError):
        return str(error)
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
