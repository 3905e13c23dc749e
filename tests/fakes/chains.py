"""Chains as the composition root builds them, of what a configuration file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from callgate.app.chains import build_attachment
from callgate.config.loading import load_config
from callgate.pipeline.attaching import Attachment, Chain
from callgate.ports import Clock
from fakes.clock import FakeClock


def a_chain(directory: Path, *interceptors: dict[str, Any], clock: Clock | None = None) -> Chain:
    """The interceptors of a callgate.yaml in `directory`."""
    file = directory / "callgate.yaml"
    file.write_text(yaml.safe_dump({"interceptors": list(interceptors)}))
    config, clock = load_config(file), clock or FakeClock()
    return Chain(tuple(build_attachment(one, config, clock) for one in config.interceptors))


def attachments(directory: Path, *interceptors: dict[str, Any]) -> tuple[Attachment, ...]:
    """The same, for `a_gateway(chain=…)`."""
    return a_chain(directory, *interceptors).attachments
