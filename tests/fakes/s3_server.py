"""A small S3: real HTTP on this machine, signatures checked with botocore, and faults on demand."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

AWSRequest: Any = import_module("botocore.awsrequest").AWSRequest  # it has no types
Credentials: Any = import_module("botocore.credentials").Credentials
S3SigV4Auth: Any = import_module("botocore.auth").S3SigV4Auth

KEY, SECRET, REGION = "AKIDEXAMPLE", "not-a-real-secret-of-anybody", "eu-test-1"


@dataclass
class Asked:
    """One request, as it came."""

    method: str
    path: str
    host: str
    headers: dict[str, str]
    body: bytes


@dataclass
class S3:
    """The bucket `record`, by path or by host. `faults` are the statuses of the next answers."""

    objects: dict[str, bytes] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    faults: list[int] = field(default_factory=list)
    knows_conditions: bool = True
    release: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Event = field(default_factory=threading.Event)  # somebody does
    is_slow: bool = False  # answers nothing before `release` is set
    token: str | None = None
    url: str = ""

    def answer(self, asked: Asked) -> tuple[int, bytes]:
        if self.is_slow:
            self.waiting.set()
            self.release.wait(120)
        self.asked.append(asked)
        if self.faults:
            status = self.faults.pop(0)
            return (
                status,
                f"<Error><Code>Fault{status}</Code><Message>{SECRET}</Message></Error>".encode(),
            )
        problem = self._unsigned(asked)
        if problem is not None:
            return 403, f"<Error><Code>{problem}</Code></Error>".encode()
        name = (
            asked.path if asked.host.startswith("record.") else asked.path.removeprefix("/record")
        )
        return self._done(asked, name)

    def _done(self, asked: Asked, name: str) -> tuple[int, bytes]:
        if asked.method in ("GET", "HEAD"):
            found = self.objects.get(name)
            return (
                (404, b"<Error><Code>NoSuchKey</Code></Error>") if found is None else (200, found)
            )
        if asked.method == "DELETE":
            self.objects.pop(name, None)
            return 204, b""
        if "if-none-match" in asked.headers:
            if not self.knows_conditions:
                return 501, b"<Error><Code>NotImplemented</Code></Error>"
            if name in self.objects:
                return 412, b"<Error><Code>PreconditionFailed</Code></Error>"
        checksum = base64.b64encode(hashlib.sha256(asked.body).digest()).decode()
        if asked.headers.get("x-amz-checksum-sha256") != checksum:
            return 400, b"<Error><Code>BadDigest</Code></Error>"
        self.objects[name] = asked.body
        return 200, b""

    def _unsigned(self, asked: Asked) -> str | None:
        """What is wrong with the signature; None where nothing is."""
        said = asked.headers.get("authorization", "")
        if asked.headers.get("x-amz-content-sha256") != hashlib.sha256(asked.body).hexdigest():
            return "XAmzContentSHA256Mismatch"
        if (
            not said.startswith(f"AWS4-HMAC-SHA256 Credential={KEY}/")
            or f"/{REGION}/s3/" not in said
        ):
            return "InvalidAccessKeyId"
        signed = said.partition("SignedHeaders=")[2].partition(",")[0].split(";")
        if not {"host", "x-amz-content-sha256", "x-amz-date"} <= set(signed):
            return "AccessDenied"
        if asked.headers.get("x-amz-security-token") != self.token:
            return "InvalidToken"
        request = AWSRequest(
            method=asked.method,
            url=f"http://{asked.host}{asked.path}",
            data=asked.body,
            headers={name: asked.headers[name] for name in signed},
        )
        request.context["timestamp"] = asked.headers["x-amz-date"]
        signer = S3SigV4Auth(Credentials(KEY, SECRET), "s3", REGION)
        canonical = signer.canonical_request(request)
        expected = signer.signature(signer.string_to_sign(request, canonical), request)
        return None if said.endswith(f"Signature={expected}") else "SignatureDoesNotMatch"


@contextmanager
def an_s3() -> Iterator[S3]:
    """It runs as long as the block does."""
    s3 = S3()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            path = urlsplit(self.path).path
            status, content = s3.answer(Asked(self.command, path, headers["host"], headers, body))
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_DELETE = answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # who hangs up may
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    s3.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield s3
    finally:
        s3.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
