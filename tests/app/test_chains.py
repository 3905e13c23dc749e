"""The chain of a configuration: all of it, or nothing that is left open."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from callgate.app.chains import build_chain, ended_on_failure
from callgate.app.parts import PartError
from callgate.config import Config
from callgate.config.loading import load_config
from callgate.interceptors import kinds
from callgate.interceptors.exfiltration import Exfiltration
from callgate.interceptors.kinds import Place
from callgate.pipeline.attaching import Chain
from callgate.scrutiny import Passive
from fakes.clock import FakeClock
from fakes.gateway import a_gateway


class Open(Passive):
    """Keeps something open, and knows what it was told of the one before."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Open]]:
    made: list[Open] = []

    def make(_settings: object, place: Place) -> Open:
        made.append(Open(place))
        return made[-1]

    monkeypatch.setitem(kinds.KINDS, "size", make)
    yield made


def configured(directory: Path, *interceptors: dict[str, Any]) -> Config:
    file = directory / "callgate.yaml"
    file.write_text(yaml.safe_dump({"interceptors": list(interceptors)}))
    return load_config(file)


def built(config: Config, before: Chain | None = None) -> Chain:
    like = a_gateway(chain=before.attachments) if before is not None else None
    return asyncio.run(build_chain(config, FakeClock(), like))


ONE: dict[str, Any] = {"name": "one", "size": {"max_result_bytes": 9000}}
TWO: dict[str, Any] = {"name": "two", "size": {"max_result_bytes": 9000}}
BROKEN = {"name": "broken", "python": "no_such_module:hook"}


def test_what_was_built_before_one_that_fails_is_closed(tmp_path: Path, opened: list[Open]) -> None:
    with pytest.raises(PartError, match="broken"):
        built(configured(tmp_path, ONE, TWO, BROKEN))

    assert [one.is_open for one in opened] == [False, False]


def test_a_chain_whose_gateway_fails_is_closed(tmp_path: Path, opened: list[Open]) -> None:
    chain = built(configured(tmp_path, ONE))

    async def use(problem: str) -> None:
        async with ended_on_failure(chain):
            if problem:
                raise PartError(problem)

    asyncio.run(use(""))
    assert opened[0].is_open
    with pytest.raises(PartError):
        asyncio.run(use("identity: unknown"))
    assert not opened[0].is_open


def test_each_is_told_of_the_one_that_it_replaces(tmp_path: Path, opened: list[Open]) -> None:
    before = built(configured(tmp_path, ONE))

    built(configured(tmp_path, TWO, ONE), before)

    assert [one.place.before for one in opened] == [None, None, opened[0]]


def test_one_of_another_kind_has_nothing_to_hand_over(tmp_path: Path) -> None:
    redact: dict[str, Any] = {"name": "it", "redact": {}}
    exfiltration: dict[str, Any] = {
        "name": "it",
        "on": ["request", "result"],
        "exfiltration": {"sources": ["*"], "sinks": [{"tools": ["*"]}]},
    }
    before = built(configured(tmp_path, redact))

    after = built(configured(tmp_path, exfiltration), before)

    assert isinstance(after.attachments[0].interceptor, Exfiltration)
