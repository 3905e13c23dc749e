"""Follows what changes by itself: the configuration, policy files, the repository, the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from pathlib import Path

from callgate.app.application import Application
from callgate.app.parts import PartError
from callgate.app.watching import LOOK_EVERY_SECONDS, Snapshot, look
from callgate.config import ConfigError
from callgate.model import Value
from callgate.ports import StoreError

_log = logging.getLogger("callgate")

IDLE_SECONDS = 60.0  # between two looks whether there is a repository by now


class Seen(Value):
    """What was seen at one time: another configuration is reloaded, other policies are swapped."""

    configuration: Snapshot
    policies: Snapshot
    stored: int | None  # the newest version in the store; None where it cannot be known


def _seen(application: Application) -> Seen:
    """For a thread: a large set has many files."""
    sources = application.sources
    watched = sources.watched()
    stored: int | None
    try:
        stored = sources.newest_number()
    except StoreError:
        stored = None  # said by whoever needs it
    return Seen(
        configuration=look((application.config.depends_on | application.wanted) - watched),
        policies=look(watched),
        stored=stored,
    )


async def follow_files(application: Application) -> None:
    """Once a second, and at once on SIGHUP. What cannot be used changes nothing."""
    nudged = asyncio.Event()
    with contextlib.suppress(NotImplementedError, ValueError):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, nudged.set)
    seen = _as_loaded(await asyncio.to_thread(_seen, application), application.loaded_at)
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_SECONDS):
                await nudged.wait()
        is_nudged = nudged.is_set()
        nudged.clear()
        now = await asyncio.to_thread(_seen, application)
        if is_nudged or now.configuration != seen.configuration:
            await _attempt(application, "configuration")
        elif now.policies != seen.policies or _has_news(application, seen, now):
            await _attempt(application, "policy set")
        else:
            continue
        seen = _since(now, await asyncio.to_thread(_seen, application))


def _as_loaded(first: Seen, loaded_at: float) -> Seen:
    """The first look, but for what changed between the loading and it: that is yet to be taken."""

    def before(snapshot: Snapshot) -> Snapshot:
        return {
            path: None if found is not None and _written_at(path, found) > loaded_at else found
            for path, found in snapshot.items()
        }

    return Seen(
        configuration=before(first.configuration),
        policies=before(first.policies),
        stored=first.stored,
    )


def _written_at(path: Path, found: tuple[int, int, int]) -> float:
    """Seconds since the epoch; 0 for a directory, of which the names in it are looked at."""
    return 0.0 if path.is_dir() else found[1] / 1e9


def _since(before: Seen, after: Seen) -> Seen:
    """What was seen before an attempt, of all that is watched after it: what changed meanwhile
    is a change yet to be taken.
    """
    return Seen(
        configuration={**after.configuration, **_known(before, after.configuration)},
        policies={**after.policies, **_known(before, after.policies)},
        stored=before.stored,
    )


def _known(before: Seen, paths: Snapshot) -> Snapshot:
    every = {**before.configuration, **before.policies}
    return {path: every[path] for path in paths if path in every}


def _has_news(application: Application, seen: Seen, now: Seen) -> bool:
    """Whether another process has changed the store: what we changed is in force already."""
    in_force = application.policies.stored.info.number
    return now.stored is not None and now.stored not in (seen.stored, in_force)


async def _attempt(application: Application, what: str) -> None:
    try:
        if what == "configuration":
            await application.reload()
        else:
            await application.change_policies()
    except (ConfigError, PartError) as error:
        _log.error("the changed %s is not used, the old one stays: %s", what, error)
    except Exception:  # noqa: BLE001 - the next change must still be noticed
        _log.exception("the changed %s is not used, the old one stays", what)


async def follow_repository(application: Application) -> None:
    """Looks at the repository again and again. A commit that cannot be used changes nothing."""
    told: str | None = None
    while True:
        seconds = application.sources.poll_seconds
        await asyncio.sleep(seconds if seconds is not None else IDLE_SECONDS)
        if application.sources.poll_seconds is None:
            continue
        problem = await _polled(application)
        if problem is not None and problem != told:
            _log.error("policies.git: %s", problem)
        elif problem is None and told is not None:
            _log.info("policies.git: it can be used again")
        told = problem


async def _polled(application: Application) -> str | None:
    """What was wrong with the repository, or its newest commit."""
    sources = application.sources
    found = await asyncio.to_thread(sources.look)
    commit, in_force = found.commit, application.policies.commit
    if commit is None or found.problem is not None:
        sources.stay(found.problem)
        return found.problem
    if in_force is not None and commit.id == in_force.id:
        sources.stay(None)
        return None
    try:
        await application.change_policies(found, sources)
    except PartError as error:
        return f"commit {commit.id[:12]} by {commit.author} is not used, the old one stays: {error}"
    except Exception as error:  # noqa: BLE001 - the next commit must still be noticed
        _log.exception("policies.git: commit %s is not used", commit.id[:12])
        return str(error)
    first = commit.message.splitlines()[:1]
    _log.info("policies.git: commit %s by %s: %s", commit.id[:12], commit.author, "".join(first))
    return None
