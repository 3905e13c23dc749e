"""Changes of the policies in the store: each is tried whole before it is kept, then in force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import NoReturn, TypeVar

import msgspec
from msgspec.structs import replace

from callgate.app.application import Application
from callgate.app.gathering import PolicySet
from callgate.app.parts import PartError
from callgate.app.swapping import Trial
from callgate.control.desk import Changed, Origin, Standing, Terms
from callgate.control.problems import Problem
from callgate.model import Json, Value
from callgate.policy.promotion import promoted
from callgate.policy.source import ACTIVE, Policy, PolicyError
from callgate.policy.validation import Finding
from callgate.policy.versions import (
    Version,
    VersionInfo,
    difference,
    digest_of,
    named,
    problem_of_id,
)
from callgate.ports import ConflictError, StoreError
from callgate.sources.sourced import STORE, SourceError
from callgate.sources.store import NAME
from callgate.storage.versions import StoredPolicyVersions

_log = logging.getLogger("callgate")
T = TypeVar("T")
ChangeOf = Callable[[dict[str, str]], Awaitable["Draft"]]

OFF = "No policies are kept in the store here: set `policies.store: true` in callgate.yaml."


class Draft(Value):
    """The policies in the store as they would be."""

    policies: dict[str, str]
    put: str | None = None  # the policy whose text was sent
    further_lines: int = 0  # that we put before that text


class StoreDesk:
    """Implements PolicyDesk over a running application."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._versions = StoredPolicyVersions(application.config.store)

    def standing(self) -> Standing:
        """How things stand; costs little."""
        application = self._application
        made, sources = application.policies, application.sources
        problem = sources.found.problem
        commit: dict[str, Json] | None = None
        if made.commit is not None:
            commit = {
                name: getattr(made.commit, name)
                for name in ("id", "author", "message", "committed_at")
            }
        return Standing(
            mode=application.config.policies.mode,
            stored=made.stored.info if sources.has_store else None,
            origins={one.name: Origin(kind=one.kind, place=one.place) for one in made.texts},
            findings=application.checks.present,
            commit=commit,
            problems=(f"policies.git: {problem}",) if problem is not None else (),
        )

    async def put(self, identifier: str, text: str, terms: Terms) -> Changed:
        """Raises Problem 422 where the policy cannot be used."""
        problem = problem_of_id(identifier)
        if problem is not None:
            raise Problem(422, f"The policy cannot be called so: {problem}.")

        async def change(policies: dict[str, str]) -> Draft:
            read = await self._parsed(identifier, text)
            whole = named(identifier, text, read)
            if whole.problem is not None:
                raise Problem(422, f"The policy is not used: {whole.problem}.", policy=identifier)
            return Draft(
                policies={**policies, identifier: whole.text},
                put=identifier,
                further_lines=whole.further_lines,
            )

        return await self._change(change, terms, f"put {identifier}")

    async def delete(self, identifier: str, terms: Terms) -> Changed:
        """Raises Problem 404 where the store does not hold it."""

        async def change(policies: dict[str, str]) -> Draft:
            if identifier not in policies:
                self._not_stored(identifier)
            left = {one: text for one, text in policies.items() if one != identifier}
            return Draft(policies=left)

        return await self._change(change, terms, f"delete {identifier}")

    async def rollback(self, number: int, terms: Terms) -> Changed:
        """Raises Problem 404 where there is no such version."""

        async def change(_: dict[str, str]) -> Draft:
            return Draft(policies=(await self.version(number)).policies)

        return await self._change(change, terms, f"roll back to version {number}")

    async def promote(self, identifier: str, terms: Terms) -> Changed:
        """Raises Problem 409 where it is active already."""

        async def change(policies: dict[str, str]) -> Draft:
            if identifier not in policies:
                self._not_stored(identifier)
            (read,) = await self._parsed(identifier, policies[identifier])
            if read.mode == ACTIVE:
                raise Problem(409, f"The policy {identifier} is active already.")
            return Draft(policies={**policies, identifier: promoted(policies[identifier])})

        return await self._change(change, terms, f"promote {identifier}")

    async def versions(self, limit: int) -> Sequence[VersionInfo]:
        """The newest first."""
        self._must_have_store()
        return await self._ask(lambda: self._versions.infos(limit))

    async def version(self, number: int) -> Version:
        """Raises Problem 404 where there is none."""
        self._must_have_store()
        found = await self._ask(lambda: self._versions.get(number))
        if found is None:
            raise Problem(404, f"There is no version {number} of the policies.")
        return found

    async def _change(self, change: ChangeOf, terms: Terms, what: str) -> Changed:
        self._must_have_store()
        application = self._application
        async with application.changing:
            before = await self._ask(self._versions.newest)
            _check_version(before.info.number, terms)
            draft = await change(before.policies)
            after = _next(before, draft.policies, terms, application.clock.now())
            difference_made = difference(before.policies, draft.policies)
            if difference_made.is_empty:
                raise Problem(409, "Nothing would change: the store holds just this already.")
            made = await self._loaded(after)
            trial = await application.try_policies(made)
            _refuse(application.checks.are_new(trial.found), draft)
            if not terms.is_dry:
                await self._defined(trial)
                await self._keep(after)
                application.swap_policies(trial)
                _log.info("%s: %s (version %d)", terms.author, what, after.info.number)
            return Changed(
                version=before.info if terms.is_dry else after.info,
                change=difference_made,
                findings=trial.found,
                is_dry=terms.is_dry,
                in_force=application.gateway.engine.version,
            )

    async def _parsed(self, identifier: str, text: str) -> tuple[Policy, ...]:
        sources = self._application.sources
        try:
            return await asyncio.to_thread(sources.parse, f"{NAME}{identifier}", text)
        except PolicyError as error:
            raise _problem_of(error) from None
        except SourceError as error:
            raise Problem(503, f"{error}") from None

    async def _loaded(self, stored: Version) -> PolicySet:
        sources = self._application.sources
        try:
            return await asyncio.to_thread(sources.load, stored)
        except PolicyError as error:
            raise _problem_of(error) from None
        except (SourceError, StoreError) as error:
            raise Problem(409, f"The set cannot be made now: {error}") from None

    async def _defined(self, trial: Trial) -> None:
        try:
            await self._application.chronicle.define(trial.gateway.engine)
        except PartError as error:
            raise Problem(503, f"Nothing is changed: {error}") from None

    async def _keep(self, made: Version) -> None:
        # No change without its record: what keeps the versions keeps that as well.
        if not self._application.store.is_healthy:
            raise Problem(503, "The record cannot be written now, so nothing is changed.")
        try:
            await self._ask(lambda: self._versions.add(made))
        except ConflictError as error:
            raise _conflict(error.newest, 409) from None

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(question)
        except StoreError as error:
            raise Problem(503, f"The policies in the store cannot be used now: {error}") from None

    def _must_have_store(self) -> None:
        if not self._application.sources.has_store:
            raise Problem(409, OFF)

    def _not_stored(self, identifier: str) -> NoReturn:
        """Raises Problem, which says where the policy is instead."""
        made = self._application.policies
        for policy in made.policies:
            if policy.id == identifier:
                origin = next(one for one in made.texts if one.name == policy.source)
                if origin.kind != STORE:
                    raise Problem(
                        409, f"The policy {identifier} is not in the store; change {origin.place}."
                    )
        raise Problem(404, f"The store holds no policy {identifier}.")


def _next(before: Version, policies: dict[str, str], terms: Terms, at: float) -> Version:
    info = VersionInfo(
        number=before.info.number + 1,
        parent=before.info.number,
        author=terms.author,
        message=terms.message,
        created_at=at,
        digest=digest_of(policies),
    )
    return Version(info=info, policies=policies)


def _check_version(newest: int, terms: Terms) -> None:
    if terms.if_version is not None and terms.if_version != newest:
        raise _conflict(newest, 412 if terms.is_tagged else 409)


def _conflict(newest: int, status: int) -> Problem:
    return Problem(
        status,
        f"Somebody changed the policies meanwhile: their version is {newest}. Read them again.",
        newest_version=newest,
    )


def _problem_of(error: PolicyError) -> Problem:
    return Problem(
        422,
        _sentence(error.problem),
        source=error.source,
        line=error.line,
        column=error.column,
        excerpt=error.excerpt,
    )


def _refuse(found: Sequence[Finding], draft: Draft) -> None:
    """Raises Problem where there are findings; lines are those of the text that was sent."""
    if not found:
        return
    placed = [
        replace(one, line=one.line - draft.further_lines)
        if one.policy == draft.put and one.line is not None
        else one
        for one in found
    ]
    first = placed[0]
    raise Problem(
        422,
        _sentence(f"{first.policy}: {first.message}"),
        source=first.source,
        line=first.line,
        column=first.column,
        findings=msgspec.to_builtins(placed),
    )


def _sentence(problem: str) -> str:
    end = "" if problem.endswith(("?", "!", ".")) else "."
    return f"The policy is not used, the set in force stays: {problem}{end}"
