"""Asking the control API from the command line: where, as whom, and what it says."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import click
import pytest

from callgate.cli.policy.control import ControlApi
from callgate.config import load_config
from fakes.application import CONFIG, written

TOKENS = {"SHARED": "s" * 32, "ADA": "a" * 32, "BOB": "b" * 32}


class _Answers(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        told = {
            "path": self.path,
            "token": self.headers.get("authorization"),
            "body": json.loads(body),
        }
        status = 422 if "bad" in self.path else 500 if "broken" in self.path else 200
        if status == 422:
            findings = [{"policy": one, "message": "no"} for one in ("a", "b")]
            told = {"detail": "It is not used.", "excerpt": "1 | x", "findings": findings}
        content = b"<html>" if status == 500 else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Answers) as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def an_api(
    directory: Path, control: str, url: str | None = None, operator: str | None = None
) -> ControlApi:
    written(directory, CONFIG + f"listeners: {{control: {control}}}\n")
    return ControlApi(load_config(directory / "callgate.yaml", TOKENS), url, operator)


@pytest.mark.parametrize(
    ("tokens", "operator", "sent"),
    [
        ("", None, None),
        (", token: '${env:SHARED}'", None, "s" * 32),
        (", token: '${env:SHARED}', operators: {ada: '${env:ADA}'}", None, "s" * 32),
        (", token: '${env:SHARED}', operators: {ada: '${env:ADA}'}", "ada", "a" * 32),
        (", operators: {ada: '${env:ADA}'}", None, "a" * 32),
    ],
)
def test_the_token_of_who_asks_is_sent(
    tmp_path: Path,
    server: HTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    tokens: str,
    operator: str | None,
    sent: str | None,
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1/")
    api = an_api(tmp_path, f"{{port: {server.server_port}{tokens}}}", operator=operator)

    told = api.ask("POST", "/api/v1/x", {"a": 1})

    assert told == {
        "path": "/api/v1/x",
        "token": None if sent is None else f"Bearer {sent}",
        "body": {"a": 1},
    }


def test_what_the_gateway_says_is_said(tmp_path: Path, server: HTTPServer) -> None:
    api = an_api(tmp_path, "{port: 0}", f"http://127.0.0.1:{server.server_port}/")

    with pytest.raises(click.ClickException, match=r"^It is not used\.\n1 \| x\nb: no$"):
        api.ask("POST", "/bad", {})
    with pytest.raises(click.ClickException, match="the gateway answered 500 Internal"):
        api.ask("POST", "/broken", {})


@pytest.mark.parametrize(
    ("control", "url", "operator", "said"),
    [
        ("{port: 0}", None, None, "port is 0: say with --control"),
        ("{port: 1}", "ftp://x", None, "must be an http or https URL"),
        ("{port: 1, operators: {ada: '${env:ADA}', bob: '${env:BOB}'}}", None, None,
         "say who you are: --as ada or bob"),
        ("{port: 1, operators: {ada: '${env:ADA}'}}", None, "eve", "names ada"),
        ("{port: 1}", None, "eve", "names nobody"),
    ],
)  # fmt: skip
def test_it_must_be_known_where_and_as_whom(
    tmp_path: Path, control: str, url: str | None, operator: str | None, said: str
) -> None:
    with pytest.raises(click.ClickException, match=said):
        an_api(tmp_path, control, url, operator)


def test_where_nobody_answers_that_is_said(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match=r"no gateway answers at http://127\.0\.0\.1:1"):
        an_api(tmp_path, "{port: 1}").ask("POST", "/x", {})
