"""What runs beside the calls: follows changes, keeps the index, shows checkpoints, exports."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from callgate.app.application import Application
from callgate.app.exporting import build_exports
from callgate.app.following import follow_files, follow_repository
from callgate.app.memory import give_back
from callgate.app.witnessing import build_countersigner, build_witnessing
from callgate.config import Config
from callgate.exports.exporting import Exporting, ExportStatus
from callgate.storage.ledger_reading import open_log
from callgate.storage.reading.keeping import IndexKeeper
from callgate.storage.retention.running import Retention
from callgate.upstream.tasks import Tasks

LAST_SHOW_SECONDS = 10.0  # how long a stop waits for witnesses to see the last checkpoint

_log = logging.getLogger("callgate")


class Beside:
    """Built of the configuration at the start; a reload changes but the rules of retention.

    INVARIANT: no call waits for anything here, and no fault here refuses one.
    """

    def __init__(self, application: Application) -> None:
        """Raises PartError."""
        config, clock = application.config, application.clock
        self._application = application
        self._index = IndexKeeper(config.store)
        self._retention = Retention(
            config.store,
            clock,
            application.store.append,
            rules=lambda: application.config.store.retention,
            forget=application.chronicle.forget_principals,
        )
        self.witnessing = build_witnessing(config, clock)
        self.countersigner = build_countersigner(config, clock)
        self._exports: list[Exporting] = []

    @property
    def erasures_passed_over(self) -> int:
        """Events of deletions that the index could not take in, for they cannot be read."""
        return self._index.passed_over

    @property
    def exports(self) -> list[ExportStatus]:
        """How each export is doing."""
        return [one.status for one in self._exports]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Leave it when the record is closed: its last checkpoint is shown then. PartError."""
        application = self._application
        config = application.config
        if config.exports:
            origin = await asyncio.to_thread(_origin, config)
            self._exports = build_exports(config, origin, application.clock)
        tasks = Tasks()
        tasks.start(follow_files(application), "following files")
        tasks.start(follow_repository(application), "following the repository")
        tasks.start(_first_look(application), "checking policies")
        tasks.start(self._index.run(), "keeping the index of the record")
        tasks.start(self._retention.run(), "erasing what was kept long enough")
        tasks.start(self.witnessing.run(), "showing checkpoints")
        for export in self._exports:
            tasks.start(export.run(), "exporting")
        try:
            yield
        finally:
            await tasks.close()
            await self._close()

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(LAST_SHOW_SECONDS):
                await self.witnessing.close()
        except TimeoutError:
            _log.warning("not every witness has seen the last checkpoint; the next start shows it")


async def _first_look(application: Application) -> None:
    """Once the targets have been listed; what reading long lists took is given back then."""
    await application.report_findings()
    await asyncio.to_thread(give_back)


def _origin(config: Config) -> str:
    reader = open_log(config.store)
    try:
        return reader.origin
    finally:
        reader.close()
