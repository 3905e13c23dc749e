"""A language model's endpoint on this machine: real HTTP, scripted answers, also bad ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What goes back to one request, byte for byte."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    waits: threading.Event | None = None  # is not sent before this is set


def saying(content: Any, *, finish_reason: str = "stop", **message: Any) -> Answer:
    """A well-formed chat completion. What is not a text is sent as JSON text, or as parts."""
    text = content if isinstance(content, (str, list)) else json.dumps(content)
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text, **message},
        "finish_reason": finish_reason,
    }
    body = {"id": "x", "object": "chat.completion", "choices": [choice], "usage": {"x": 0.1234567}}
    return Answer(body=json.dumps(body).encode())


def failing(status: int, message: str = "", **headers: str) -> Answer:
    """An error in the form that OpenAI gives it."""
    body = json.dumps({"error": {"message": message, "type": "x"}}).encode()
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def wordy(size: int) -> Answer:
    """A chat completion that does not know when to stop."""
    return saying("x" * size)


@dataclass
class Asked:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: Any

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def said(self) -> list[tuple[str, str]]:
        return [(one["role"], one["content"]) for one in self.body["messages"]]


class ModelEndpoint:
    """Answers in the order of the script; once that is over, with 500."""

    def __init__(self) -> None:
        self.url = ""
        self.script: list[Answer] = []
        self.asked: list[Asked] = []

    def will(self, *answers: Answer) -> None:
        self.script.extend(answers)

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        return self.script.pop(0) if self.script else failing(500, "the script is over")


@contextmanager
def model_endpoint() -> Iterator[ModelEndpoint]:
    """An endpoint on a free port, speaking /v1/chat/completions."""
    endpoint = ModelEndpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = endpoint.answer(Asked(self.path, headers, json.loads(self.rfile.read(size))))
            if answer.waits is not None:
                answer.waits.wait(30)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:
                pass  # the client hung up: that is what some tests are about

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    serving.start()
    try:
        yield endpoint
    finally:
        for answer in endpoint.script:
            if answer.waits is not None:
                answer.waits.set()
        server.shutdown()
        server.server_close()
        serving.join()
