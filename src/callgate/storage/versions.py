"""Versions of the policies that are kept beside the record, in the same database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, Row, func, insert, select

from callgate.policy.versions import EMPTY, Version, VersionInfo, difference, digest_of
from callgate.ports import ConflictError, StoreError
from callgate.storage.database import NoRecordError
from callgate.storage.databases import alone_in, database_of, faults_of
from callgate.storage.schema import policy_changes, policy_versions
from callgate.storage.settings import StoreSettings

T = TypeVar("T")


class StoredPolicyVersions:
    """Implements PolicyVersions. Safe to share: each question is a connection of its own."""

    def __init__(self, settings: StoreSettings) -> None:
        self._settings = settings
        self._read = database_of(settings)

    def has_begun(self) -> bool:
        """Whether there is a record; before, no gateway has run with it."""
        try:
            self._read.open_to_read()
        except NoRecordError:
            return False
        return True

    def newest(self) -> Version:
        """Raises StoreError, also where the policies are not those that were written."""
        return self._reading(lambda connection: _version(connection, _newest_number(connection)))

    def newest_number(self) -> int:
        """0 where there is none."""
        return self._reading(_newest_number)

    def get(self, number: int) -> Version | None:
        """EMPTY for 0; None where there is none."""

        def read(connection: Connection) -> Version | None:
            if not 0 <= number <= _newest_number(connection):
                return None
            return _version(connection, number)

        return self._reading(read)

    def infos(self, limit: int) -> list[VersionInfo]:
        """The newest first."""
        query = select(policy_versions).order_by(policy_versions.c.number.desc()).limit(limit)
        return self._reading(lambda connection: [_info(row) for row in connection.execute(query)])

    def add(self, made: Version) -> None:
        """In one transaction, while nobody else adds one."""
        for identifier, text in made.policies.items():
            if (
                "\0" in identifier + text
            ):  # it means nothing in Cedar, and not every database has it
                raise StoreError(f"policy {identifier!r} has a NUL character in it")
        database = database_of(self._settings)  # who writes has one for itself
        with alone_in(database) as connection:
            _add(connection, made)

    def _reading(self, question: Callable[[Connection], T]) -> T:
        database = self._read
        engine = database.open_to_read()
        with (
            faults_of(database, " cannot be read"),
            engine.connect() as connection,
            connection.begin(),  # one state for all of it
        ):
            return question(connection)


def _newest_number(connection: Connection) -> int:
    query = select(func.coalesce(func.max(policy_versions.c.number), 0))
    return int(connection.execute(query).scalar_one())


def _version(connection: Connection, number: int) -> Version:
    if number == 0:
        return EMPTY
    query = select(policy_versions).where(policy_versions.c.number == number)
    info = _info(connection.execute(query).one())
    later = policy_changes.alias("later")
    newest = (
        select(func.max(later.c.version))
        .where(later.c.policy == policy_changes.c.policy, later.c.version <= number)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(policy_changes.c.policy, policy_changes.c.text)
        .where(policy_changes.c.version == newest, policy_changes.c.text.is_not(None))
        .order_by(policy_changes.c.policy)
    )
    policies = {row.policy: row.text for row in rows}
    if digest_of(policies) != info.digest:
        raise StoreError(
            f"version {number} of the policies is not what was written: its digest does not fit"
        )
    return Version(info=info, policies=policies)


def _info(row: Row[*tuple[Any, ...]]) -> VersionInfo:
    return VersionInfo(
        number=row.number,
        parent=row.parent,
        author=row.author,
        message=row.message,
        created_at=row.created_at,
        digest=row.digest,
    )


def _add(connection: Connection, made: Version) -> None:
    info = made.info
    newest = _newest_number(connection)
    if info.parent != newest or info.number != newest + 1:
        raise ConflictError(newest)
    before = _version(connection, newest).policies
    change = difference(before, made.policies)
    connection.execute(
        insert(policy_versions).values(
            number=info.number,
            parent=info.parent,
            author=info.author,
            message=info.message,
            created_at=info.created_at,
            digest=info.digest,
        )
    )
    rows = [
        {"version": info.number, "policy": one, "text": made.policies.get(one)}
        for one in (*change.added, *change.changed, *change.removed)
    ]
    if rows:
        connection.execute(insert(policy_changes), rows)
