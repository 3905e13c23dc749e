"""Changes of files are followed whenever they come, also while an earlier one is being taken."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from callgate.app import following


@dataclass
class FakeApplication:
    """Takes what a file says; `meanwhile` is written to it while the first change is taken."""

    file: Path
    meanwhile: str | None = None
    taken: list[str] = field(default_factory=list)
    has_taken: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0
    loaded_at: float = float("inf")
    has_looked: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.config = SimpleNamespace(depends_on=frozenset({self.file}))
        self.policies = SimpleNamespace(stored=SimpleNamespace(info=SimpleNamespace(number=None)))
        self.sources = self
        self.wanted = frozenset({self.file.with_name("wanted")})
        self.reloaded = asyncio.Event()

    def watched(self) -> frozenset[Path]:
        return frozenset({self.file})

    def newest_number(self) -> None:
        self.looks += 1
        if self.looks == 2:  # what the first look saw is now known
            self.has_looked.set()

    async def change_policies(self) -> None:
        self.taken.append(self.file.read_text())
        if self.meanwhile is not None:
            self.file.write_text(self.meanwhile)
            self.meanwhile = None
        self.has_taken.set()

    async def reload(self) -> None:
        self.reloaded.set()

    async def until_taken(self, texts: list[str]) -> None:
        while self.taken != texts:
            self.has_taken.clear()
            await self.has_taken.wait()


def follow(application: Any, texts: list[str], change: str) -> list[str]:
    async def scenario() -> None:
        task = asyncio.ensure_future(following.follow_files(application))
        try:
            await asyncio.to_thread(application.has_looked.wait)
            application.file.write_text(change)
            async with asyncio.timeout(30):
                await application.until_taken(texts)
        except TimeoutError:
            pass
        finally:
            task.cancel()

    asyncio.run(scenario())
    return list(application.taken)


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_EVERY_SECONDS", 0.01)


def test_a_change_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text("one")

    assert follow(FakeApplication(file), ["another"], "another") == ["another"]


def test_a_change_that_comes_while_another_is_taken_is_taken_too(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text("one")
    application = FakeApplication(file, meanwhile="a third one")

    assert follow(application, ["another", "a third one"], "another") == ["another", "a third one"]


def test_files_of_a_configuration_that_was_turned_down_are_watched_too(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text("one")
    application = FakeApplication(file)

    async def scenario() -> None:
        task = asyncio.ensure_future(following.follow_files(application))  # type: ignore[arg-type]
        await asyncio.to_thread(application.has_looked.wait)
        (tmp_path / "wanted").write_text("now it can be used")
        async with asyncio.timeout(30):
            await application.reloaded.wait()
        task.cancel()

    asyncio.run(scenario())


def test_a_change_between_the_loading_and_the_first_look_is_taken(tmp_path: Path) -> None:
    file = tmp_path / "p.cedar"
    file.write_text("changed while the gateway started")
    application = FakeApplication(file, loaded_at=file.stat().st_mtime - 0.1)

    async def scenario() -> None:
        task = asyncio.ensure_future(following.follow_files(application))  # type: ignore[arg-type]
        async with asyncio.timeout(30):
            await application.until_taken(["changed while the gateway started"])
        task.cancel()

    asyncio.run(scenario())
