from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from callgate.app import beside
from callgate.app.application import Application
from callgate.app.beside import Beside
from callgate.app.parts import PartError
from callgate.audit.keys import SigningKey
from callgate.config import load_config
from fakes.application import CONFIG, written

WITNESSED = """
witnesses:
  every_seconds: 1
  show_to:
    - {name: vault, file: vault.txt}
"""


def test_the_last_checkpoint_is_shown_when_the_record_is_closed(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, config=CONFIG + WITNESSED))

    async def scenario() -> None:
        application = Application(config)
        made = Beside(application)
        await application.start()
        async with made.running():
            await application.stop()
        (vault,) = made.witnessing.status
        assert (vault.fault, vault.behind) == (None, 0)
        assert vault.seen

    asyncio.run(scenario())
    assert "/0\n" in (tmp_path / "vault.txt").read_text()


def test_a_witness_that_never_answers_does_not_keep_a_gateway_from_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "LAST_SHOW_SECONDS", 0.01)
    config = load_config(written(tmp_path, config=CONFIG))

    async def never() -> None:
        await asyncio.Event().wait()

    async def scenario() -> None:
        application = Application(config)
        made = Beside(application)
        await application.start()
        async with made.running():
            made.witnessing.close = never  # type: ignore[method-assign]
            await application.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))


def test_what_cannot_be_built_is_said_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "w.key").write_text("no key")
    block = """
listeners:
  control:
    witness:
      key_file: w.key
      logs: [{origin: a/0, keys: [KEY]}]
"""
    key = SigningKey("a", b"k" * 32).verifier.text
    config = load_config(written(tmp_path, config=CONFIG + block.replace("KEY", f'"{key}"')))
    with pytest.raises(PartError, match=r"listeners\.control\.witness"):
        Beside(Application(config))
