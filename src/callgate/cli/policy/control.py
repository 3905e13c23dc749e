"""Asks the control API of the gateway that runs on a configuration."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

import click

from callgate.config import Config
from callgate.control.settings import ControlListenerSettings
from callgate.model import Json

TIMEOUT_SECONDS = 120.0

control_option = click.option(
    "--control",
    "url",
    help="Where the running gateway's control API is. Left out: as the configuration says.",
)
as_option = click.option(
    "--as",
    "operator",
    metavar="NAME",
    help="Whose token of `listeners.control.operators` to send;"
    " without it `token`, or the only one.",
)


class ControlApi:
    """The control API as one operator."""

    def __init__(self, config: Config, url: str | None, operator: str | None) -> None:
        """Raises ClickException where it cannot be known where to ask, or as whom."""
        control = config.listeners.control
        if url is None:
            if control.port == 0:
                raise click.ClickException(
                    "listeners.control.port is 0: say with --control where the gateway listens"
                )
            host = f"[{control.host}]" if ":" in control.host else control.host
            url = f"http://{host}:{control.port}"
        if not url.startswith(("http://", "https://")):
            raise click.ClickException(f"--control must be an http or https URL, not {url}")
        self._url = url.rstrip("/")
        self._token = _token(control, operator)
        # No proxy, whatever the environment says: the token is for the gateway alone.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: dict[str, Json] | None = None) -> Any:
        """The answer as JSON. Raises ClickException with what the gateway says."""
        headers = {"Accept": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310 - http or https: checked above
            self._url + path, content, headers, method=method
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            with error:
                raise click.ClickException(_told(error)) from None
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise click.ClickException(
                f"no gateway answers at {self._url}: {why}; start it, or see --control"
            ) from None


def _token(control: ControlListenerSettings, operator: str | None) -> str | None:
    tokens = {**control.operators}
    if operator is not None:
        if operator not in tokens:
            known = ", ".join(sorted(tokens)) or "nobody"
            raise click.ClickException(f"listeners.control.operators names {known}")
        return tokens[operator].get_secret_value()
    if control.token is not None:
        return control.token.get_secret_value()
    if len(tokens) > 1:
        raise click.ClickException(f"say who you are: --as {' or '.join(sorted(tokens))}")
    return next((token.get_secret_value() for token in tokens.values()), None)


def _told(error: urllib.error.HTTPError) -> str:
    try:
        body = json.loads(error.read())
        lines = [str(body["detail"])]
    except (ValueError, KeyError, TypeError):
        return f"the gateway answered {error.code} {error.reason}"
    if body.get("excerpt"):
        lines.append(str(body["excerpt"]))
    lines += [f"{one['policy']}: {one['message']}" for one in body.get("findings", [])[1:]]
    return "\n".join(lines)
