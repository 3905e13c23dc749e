"""A real git repository with policies, also over HTTP; and servers that are slow or lie."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

AUTHOR = b"Ada <ada@example.org>"


class Repository:
    """A repository in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir()
        self.directory = directory
        porcelain.init(str(directory)).close()

    def commit(self, message: str = "change", **files: str | bytes | None) -> str:
        """Writes files (`__` is `/`, `_dot_` is `.`; None removes) and commits; the commit's id."""
        for name, text in files.items():
            file = self.directory / name.replace("__", "/").replace("_dot_", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                porcelain.remove(str(self.directory), [str(file)])
                continue
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
            porcelain.add(str(self.directory), [str(file)])
        made: bytes = porcelain.commit(
            str(self.directory), message=message.encode(), author=AUTHOR, committer=AUTHOR
        )
        return made.decode()

    def tag(self, name: str) -> None:
        """An annotated tag on the newest commit."""
        porcelain.tag_create(
            str(self.directory), name.encode(), author=AUTHOR, message=b"t", annotated=True
        )

    @contextmanager
    def served(self, password: str | None = None) -> Iterator[str]:
        """Over HTTP on this machine; with a password, only to who sends it."""
        with Repo(str(self.directory)) as repo:
            app = make_wsgi_chain(DictBackend({"/": repo}))  # type: ignore[arg-type] # invariant

            def guarded(environ: dict[str, Any], start_response: Any) -> Any:
                if password is not None:
                    import base64  # noqa: PLC0415 - of this one case

                    wanted = base64.b64encode(f"git:{password}".encode()).decode()
                    if environ.get("HTTP_AUTHORIZATION") != f"Basic {wanted}":
                        start_response("401 No", [("WWW-Authenticate", 'Basic realm="r"')])
                        return [b""]
                return app(environ, start_response)

            with _serving(guarded) as url:
                yield url


@contextmanager
def lying(answer: bytes, media_type: str) -> Iterator[str]:
    """A server that gives the same answer to whatever it is asked."""

    def app(_environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", media_type)])
        return [answer]

    with _serving(app) as url:
        yield url


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def _serving(app: Any) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, server_class=WSGIServer, handler_class=_Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
