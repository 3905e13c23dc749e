"""A PostgreSQL server for tests: the machine's where there is one, else one started here."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from callgate.audit.record import Entry
from callgate.storage.database import Row
from fakes.ports import free_port

ENV = "CALLGATE_TEST_POSTGRES"  # a URL to a database of a superuser on the server to use
MACHINE = "postgresql://postgres@127.0.0.1:5432/postgres"
PROGRAMS = ("initdb", "postgres")
WHERE_DEBIAN_HAS_THEM = "/usr/lib/postgresql/*/bin"


class NoServerError(Exception):
    """There is no PostgreSQL here, and no programs to start one with."""


class Postgres:
    """A server of our own, which can be killed. Everybody on this machine may do everything."""

    def __init__(self, directory: Path, copied: Postgres | None = None) -> None:
        """`copied`: the primary that this one is a standby of."""
        self._data = directory / "data"
        self._log = directory / "log"
        self._sockets = directory
        self._user = _unprivileged()
        self.process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        if self._user is not None:
            shutil.chown(directory, self._user)
        if copied is None:
            self._run(
                "initdb", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C",
                "--no-sync", "--no-instructions", "--pgdata", str(self._data),
            )  # fmt: skip
        else:
            self._run(
                "pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
                "--dbname", copied.url, "--pgdata", str(self._data),
            )  # fmt: skip

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def use_certificate(self, certificate: Path, key: Path) -> None:
        """From its next start on it can be reached by TLS."""
        for file, name in ((certificate, "server.crt"), (key, "server.key")):
            copy = self._data / name
            copy.write_bytes(file.read_bytes())
            copy.chmod(0o600)
            if self._user is not None:
                shutil.chown(copy, self._user)

    def start(self, **settings: str) -> None:
        """Returns when it takes connections."""
        more = [f"-c{name}={value}" for name, value in settings.items()]
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", self._data, "-p", str(self.port), "-k", self._sockets,
                 "-clisten_addresses=127.0.0.1", "-cmax_wal_size=64MB", *more],
                stdout=log, stderr=log, user=self._user, cwd="/", env=_environment(),
            )  # fmt: skip
        _wait_for(self.url, self.process, self._log)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: throws everybody out (`fast`); SIGQUIT: as if it crashed (`immediate`)."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(how)
            self.process.wait()
            self.process = None

    def hold_back(self) -> None:
        """What needs not be on the disk stays in memory: until `lose_power`."""
        assert self.process is not None
        (writer,) = (one for one in _children(self.process.pid) if "walwriter" in one.cmdline()[0])
        writer.suspend()

    def lose_power(self) -> None:
        """All processes are gone at once, with what they had in memory."""
        assert self.process is not None
        children = _children(self.process.pid)
        self.process.kill()  # first: it would start them anew
        for child in children:
            child.kill()
        self.process.wait()
        self.process = None

    @contextmanager
    def held(self) -> Iterator[None]:
        """The server and all its sessions stand still: connections stay, nothing answers."""
        assert self.process is not None
        processes = [self.process.pid, *(one.pid for one in _children(self.process.pid))]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in processes:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [_program(program), *arguments],
            capture_output=True, user=self._user, cwd="/", env=_environment(), check=False,
        )  # fmt: skip
        if done.returncode:
            raise NoServerError(done.stderr.decode(errors="replace"))


def a_standby(primary: Postgres) -> AbstractContextManager[Postgres]:
    """A server that follows another, and can be promoted."""
    return _running(primary)


def a_server(**settings: str) -> AbstractContextManager[Postgres]:
    """A server of one's own, with its settings."""
    return _running(None, **settings)


@contextmanager
def _running(copied: Postgres | None, **settings: str) -> Iterator[Postgres]:
    directory = Path(tempfile.mkdtemp(prefix="callgate-postgres-"))  # nothing above it is private
    try:
        server = Postgres(directory, copied)
        server.start(**settings)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def a_database(server: str | None = None, *more: str) -> Iterator[str]:
    """The URL of an empty database, which is dropped afterwards. `more`: parts of CREATE DATABASE."""
    admin = server or server_url()
    name = f"callgate_test_{secrets.token_hex(6)}"
    _execute(admin, f"CREATE DATABASE {name} {' '.join(more)}")
    try:
        yield in_database(admin, name)
    finally:
        _execute(admin, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def a_role(url: str, limits: str = "") -> Iterator[str]:
    """The URL for a role that may only connect; it and what it owns are dropped afterwards."""
    name = f"callgate_test_{secrets.token_hex(6)}"
    _execute(url, f"CREATE ROLE {name} LOGIN {limits}")
    try:
        yield url.replace("postgres@", f"{name}@")
    finally:
        _execute(url, f"DROP OWNED BY {name} CASCADE")
        _execute(url, f"DROP ROLE {name}")


def through(url: str, port: int) -> str:
    """The same database, by another port of this machine."""
    user = url.partition("://")[2].partition("@")[0]
    return f"postgresql://{user}@127.0.0.1:{port}/{url.rpartition('/')[2]}"


def port_of(url: str) -> int:
    """Of the server."""
    return urlsplit(url).port or 5432


def rows(first: int, number: int, **more: Any) -> list[Row]:
    """Records to insert: at `first` and after it."""
    return [
        Row(
            position=at,
            hash=at.to_bytes(32, "big"),
            entry=Entry(
                kind="intent", call_id=f"c{at}", at=1_790_000_000.25, body=b'{"at":%d}' % at, **more
            ),
        )
        for at in range(first, first + number)
    ]


def positions(url: str) -> list[int]:
    """Of the records that are there."""
    return [at for (at,) in ask(url, "SELECT position FROM records ORDER BY position")]


def in_database(url: str, name: str) -> str:
    """The same server, another database."""
    return f"{url.rpartition('/')[0]}/{name}"


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What a statement gives, in a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement.encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def sessions(url: str) -> list[int]:
    """The server's processes that serve connections of ours to this database."""
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'callgate%' ORDER BY backend_start"
    )
    return [pid for (pid,) in ask(url, query)]


def terminate(url: str) -> int:
    """Ends all sessions of ours in this database; returns when they are gone: how many."""
    ended = [ask(url, "SELECT pg_terminate_backend(%s, 10000)", pid) for pid in sessions(url)]
    return len(ended)


@cache
def server_url() -> str:
    """The server for all tests that do not need one of their own. Raises NoServerError."""
    given = os.environ.get(ENV)
    if given:
        return given
    if _answers(MACHINE):
        return MACHINE
    context = a_server(fsync="off")
    server = context.__enter__()
    atexit.register(context.__exit__, None, None, None)
    return server.url


def _execute(url: str, statement: str) -> None:
    ask(url, statement)


def _answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.Error:
        return False
    return True


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    while not _answers(url):
        if process.poll() is not None:
            raise NoServerError(log.read_text(errors="replace"))


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        versions = Path("/").glob(f"{WHERE_DEBIAN_HAS_THEM.lstrip('/')}/{name}")
        found = max(map(str, versions), default=None)
    if found is None:
        raise NoServerError(
            f"no PostgreSQL on 127.0.0.1:5432, and no {name} to start one: install it "
            f"(apt-get install postgresql), or name a server in {ENV}"
        )
    return found


def _unprivileged() -> str | None:
    """PostgreSQL does not run as root: then as whoever owns it here, or as nobody."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    import pwd  # noqa: PLC0415 - not on Windows

    users = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def _children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)
