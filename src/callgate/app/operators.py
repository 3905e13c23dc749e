"""What operators see of a running application, for the control listener and for metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from callgate.app.application import Application
from callgate.app.beside import Beside
from callgate.app.changing import StoreDesk
from callgate.app.parts import PartError
from callgate.audit.event import OPERATOR
from callgate.audit.principals import Recalled, kept_back
from callgate.config import ConfigError
from callgate.control.logins import Logins
from callgate.control.views import ConfigStatus, Views
from callgate.identity.anonymous import AnonymousAuthenticator
from callgate.identity.api_keys import principal_of
from callgate.identity.chain import IdentitySettings
from callgate.model import Principal
from callgate.ports import TargetStatus
from callgate.review.verdicts import ReviewVerdict, verdict_entry
from callgate.storage.blobs.opening import reader_of
from callgate.storage.reading import Records
from callgate.storage.retention.desk import ErasingDesk
from callgate.storage.retention.running import appending, from_thread
from callgate.telemetry.prometheus import PrometheusTelemetry, Readings

MOST_PRINCIPALS = 1000  # of the record, those seen last


def readings_of(application: Application, beside: Beside) -> Readings:
    """What is read when metrics are scraped."""
    return Readings(
        sessions=lambda: len(application.sessions),
        targets=lambda: target_statuses(application),
        is_store_healthy=lambda: application.store.is_healthy,
        policies=lambda: (
            len(application.gateway.engine.policies),
            application.gateway.engine.version,
        ),
        policy_findings=lambda: len(application.checks.present),
        damaged_logs=lambda: len(application.store.damage),
        erasures_passed_over=lambda: beside.erasures_passed_over,
        witnesses=lambda: [
            (one.name, one.behind, one.is_disputed) for one in beside.witnessing.status
        ],
        exports=lambda: [(one.name, one.sent, one.fault is not None) for one in beside.exports],
    )


def target_statuses(application: Application) -> list[TargetStatus]:
    """How every target stands, without touching any."""
    catalog = application.gateway.catalog
    return [catalog.connector(name).status for name in application.config.targets]


def views_of(application: Application, beside: Beside, metrics: PrometheusTelemetry) -> Views:
    """The application, as the control listener may use it."""

    def config() -> ConfigStatus:
        return ConfigStatus(
            file=str(application.config.file),
            digest=application.config.digest,
            loaded_at=application.loaded_at,
            reload_error=application.reload_problem,
        )

    async def reload() -> ConfigStatus:
        with suppress(ConfigError, PartError):  # the status says why nothing changed
            await application.reload()
        return config()

    records = Records(application.config.store, reader_of(application.config.store))

    chronicle = application.chronicle
    logins = Logins(lambda said: chronicle.note(OPERATOR, said), application.clock.ticks)
    chronicle.at_end(logins.flush)

    def principals() -> Sequence[Recalled]:
        named = configured_principals(application.config.identity)
        known = {one.principal.key: kept_back(one) for one in records.people(MOST_PRINCIPALS)}
        others = known.keys() - {principal.key for principal in named}
        return [*(Recalled(principal=one) for one in named), *(known[key] for key in others)]

    async def keep_verdict(said: ReviewVerdict) -> None:
        await application.store.append(verdict_entry(said, application.clock.now()))

    return Views(
        gateway=lambda: application.gateway,
        targets=lambda: target_statuses(application),
        config=config,
        reload=reload,
        records=records,
        policies=StoreDesk(application),
        principals=principals,
        count_evaluations=metrics.count_evaluations,
        metrics=metrics.exposition,
        is_stopping=lambda: application.dispatcher.is_stopping,
        keep_verdict=keep_verdict,
        logins=logins,
        erasing=lambda: ErasingDesk(
            application.config.store,
            application.clock,
            appending(application.store.append, asyncio.get_running_loop()),
            from_thread(chronicle.forget_principals, asyncio.get_running_loop()),
        ),
        countersigner=beside.countersigner,
        beside=lambda: {"witnesses": beside.witnessing.status, "exports": beside.exports},
    )


def configured_principals(identity: IdentitySettings) -> list[Principal]:
    """Whom the configuration itself names: the bearers of API keys, and who needs no proof."""
    found = [principal_of(key) for key in identity.api_keys]
    if identity.anonymous is not None:
        found.append(AnonymousAuthenticator(identity.anonymous).principal)
    return found
