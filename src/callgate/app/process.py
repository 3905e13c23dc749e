"""`callgate run`: one process with two listeners, from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator

from callgate.app.application import DRAIN_SECONDS, Application
from callgate.app.beside import Beside
from callgate.app.memory import give_back
from callgate.app.open_files import raise_limit
from callgate.app.operators import readings_of, views_of
from callgate.app.signals import until_signalled
from callgate.config import Config
from callgate.control.app import ControlEndpoint
from callgate.control.routing import words as words_for_operators
from callgate.downstream.http import HttpEndpoint
from callgate.downstream.http import words as words_for_agents
from callgate.protocol.origins import is_loopback
from callgate.serving.listener import Listener, Listening
from callgate.telemetry.all_of import AllOf
from callgate.telemetry.exporting import exporting
from callgate.telemetry.prometheus import PrometheusTelemetry
from callgate.version import VERSION

_log = logging.getLogger("callgate")

GC_THRESHOLD = (
    50_000  # a call makes no cycles; the collector's default of 700 costs several percent
)


async def serve(config: Config, *, ready: Callable[[Application], Awaitable[None]]) -> None:
    """Runs until SIGTERM or SIGINT, or until `ready`, called once all is up, raises StopServing.

    Raises PartError, StoreError, ListenError where it cannot start.
    """
    raise_limit()
    exporter = exporting(config.telemetry, VERSION)
    application = Application(config)
    beside = Beside(application)
    metrics = PrometheusTelemetry(readings_of(application, beside))
    application.telemetry = AllOf([exporter, metrics]) if exporter else metrics
    await application.start()
    try:
        await _listen(application, beside, metrics, ready)
    finally:
        if exporter is not None:
            await exporter.close()


async def _listen(
    application: Application,
    beside: Beside,
    metrics: PrometheusTelemetry,
    ready: Callable[[Application], Awaitable[None]],
) -> None:
    config = application.config
    agents = config.listeners.agents
    control = config.listeners.control
    endpoint = HttpEndpoint(
        application.dispatcher,
        allowed_hosts=agents.allowed_hosts,
        allowed_origins=agents.allowed_origins,
        is_loopback=is_loopback(agents.host),
    )
    operators = ControlEndpoint(views_of(application, beside, metrics), control)
    try:
        async with (
            Listening(
                Listener(
                    endpoint,
                    agents.host,
                    agents.port,
                    agents.tls_certificate,
                    agents.tls_key,
                    words_for_agents,
                )
            ) as listening,
            Listening(
                Listener(operators, control.host, control.port, words=words_for_operators)
            ) as operating,
            beside.running(),
        ):
            _log.info("agents connect at %s/mcp", listening.url)
            _log.info("operators connect at %s", operating.url)
            with _rare_collections():
                waiting = asyncio.ensure_future(until_signalled())
                try:
                    await ready(application)
                    await waiting
                except StopServing:
                    waiting.cancel()
            _log.info("stopping: calls in flight are finished, new ones refused")
            await application.dispatcher.drain(DRAIN_SECONDS)
            application.sessions.close_all()
            await listening.stop()  # INVARIANT: nobody calls any more when the record is closed
            await application.stop()
    except BaseException:
        await application.stop()
        raise


@contextlib.contextmanager
def _rare_collections() -> Iterator[None]:
    """While serving, what the start left behind is not looked at again, and the rest seldom."""
    before = gc.get_threshold()
    gc.collect()
    give_back()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


class StopServing(Exception):  # noqa: N818 - a wish, not an error
    """Raised by `ready` to end serving."""


async def forever(_: Application) -> None:
    """A `ready` that just lets it serve."""
