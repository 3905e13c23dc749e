"""A real application in the test's own process: one target of functions, and SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from callgate.app.application import Application
from callgate.config import load_config
from callgate.model import Principal
from callgate.policy.engine import Question

T = TypeVar("T")
SHOP = "def refund(customer: str, amount: int) -> dict:\n    return {'refunded': amount}\n"
CONFIG = """\
identity: {anonymous: {id: ada}}
targets: {shop: {python: shop_of_the_application}}
"""
STORED = "policies: {store: true}\n"
PERMIT = """\
@id("refunds")
permit(principal, action == Callgate::Action::"shop___refund", resource)
when { context.input.amount <= 500 };
"""


def written(directory: Path, config: str = CONFIG + STORED, **files: str) -> Path:
    """callgate.yaml with what it needs; `files` go into `policies/`."""
    (directory / "policies").mkdir(exist_ok=True)
    # Modules stay loaded, so that no other test may have one of this name.
    (directory / "shop_of_the_application.py").write_text(SHOP)
    for name, text in files.items():
        (directory / "policies" / f"{name}.cedar").write_text(text)
    file = directory / "callgate.yaml"
    file.write_text(config)
    return file


def applied(directory: Path, scenario: Callable[[Application], Awaitable[T]]) -> T:
    """Runs a scenario with the application of `directory / callgate.yaml`."""

    async def run() -> T:
        application = Application(load_config(directory / "callgate.yaml"))
        await application.start()
        try:
            await application.report_findings()
            return await scenario(application)
        finally:
            await application.stop()

    return asyncio.run(run())


def may_refund(application: Application, amount: int) -> bool:
    """Whether the set in force permits a refund of this amount."""
    tool = application.catalog.find("shop", "refund")
    assert tool is not None
    question = Question(
        principal=Principal(id="ada", issuer="", kind="anonymous"),
        tool=tool,
        arguments={"customer": "c", "amount": amount},
        enriched={},
        now=1_790_000_000.0,
    )
    return application.gateway.engine.authorize(question).is_permitted
