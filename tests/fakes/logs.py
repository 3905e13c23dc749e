"""The logs that a database holds, every one held against its hashes and its checkpoints."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from callgate.audit.checkpoints import log_origin, read_checkpoint
from callgate.audit.merkle import leaf_hash, root
from callgate.audit.place import LOG_OF_LOGS, place
from callgate.storage.databases import database_of
from callgate.storage.facts import origin_in
from callgate.storage.schema import checkpoints, records
from callgate.storage.settings import StoreSettings


def kept_logs(settings: StoreSettings) -> dict[int, list[str]]:
    """The ids of the entries of each log, the log of logs too."""
    found: dict[int, list[str]] = {}
    hashes: dict[int, list[bytes]] = {}
    engine = database_of(settings).open_to_read()
    with engine.connect() as connection, connection.begin():  # one state: somebody may write
        for row in connection.execute(select(records).order_by(records.c.position)):
            log, seq = place(row.position)
            assert leaf_hash(row.body.encode()) == row.hash
            found.setdefault(log, []).append(row.call_id)
            hashes.setdefault(log, []).append(row.hash)
            assert seq == len(found[log]) - 1
        origin = origin_in(connection)
        assert origin is not None
        for row in connection.execute(select(checkpoints)):
            said, _ = read_checkpoint(row.note)
            assert (said.origin, said.size) == (log_origin(origin, row.log), row.size)
            assert said.root == root(hashes[row.log][: row.size])
    engine.dispose()
    return found


def ids_in(path: Path) -> list[str]:
    """The ids of all entries but those of the log of logs, log by log."""
    logs = kept_logs(StoreSettings(path=path))
    return [call_id for log in sorted(logs) if log != LOG_OF_LOGS for call_id in logs[log]]


def sizes(path: Path) -> list[tuple[int, int]]:
    """Which sizes of which logs are signed."""
    engine = database_of(StoreSettings(path=path)).open_to_read()
    query = select(checkpoints.c.log, checkpoints.c.size).order_by(
        checkpoints.c.log, checkpoints.c.size
    )
    with engine.connect() as connection:
        return [(row.log, row.size) for row in connection.execute(query)]
