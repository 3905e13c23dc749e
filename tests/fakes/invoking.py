"""An Invoke endpoint of Lambda on this machine, which believes nothing that is not signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from callgate.interceptors.lambda_context import Invocation, LambdaContext
from fakes.http_target import Answer, HttpTarget, Seen, Talk

ACCESS_KEY = "AKIDEXAMPLE"
SECRET_KEY = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-central-1"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/([^,]+), SignedHeaders=([^,]+), Signature=([0-9a-f]{64})"
)
_PATH = re.compile(r"/2015-03-31/functions/([^/]+)/invocations")


@dataclass
class FakeLambda:
    """Functions by name. `answer` says instead what comes back, byte for byte."""

    functions: dict[str, Callable[[Any, Any], Any]] = field(default_factory=dict)
    answer: Answer | None = None
    token: str | None = None  # the session token that must be signed, too
    contexts: list[dict[str, Any]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    qualifiers: list[str | None] = field(default_factory=list)

    def server(self) -> HttpTarget:
        """What serves it, to be entered."""
        return HttpTarget(self._take)

    async def _take(self, seen: Seen, talk: Talk) -> None:
        problem = self._unsigned(seen)
        if problem:
            said = {"message": problem, "Type": "User"}
            await talk.json(said, 403, X_Amzn_ErrorType="InvalidSignatureException:x")
            return
        if self.answer is not None:
            await self.answer(seen, talk)
            return
        place = urlsplit(seen.path)
        match = _PATH.fullmatch(place.path)
        name = unquote(match[1]) if match else ""
        if seen.method != "POST" or name not in self.functions:
            said = {"Message": f"Function not found: {name}", "Type": "User"}
            await talk.json(said, 404, X_Amzn_ErrorType="ResourceNotFoundException")
            return
        self.qualifiers.append(dict(parse_qsl(place.query)).get("Qualifier"))
        await self._run(self.functions[name], seen, talk)

    async def _run(self, function: Callable[[Any, Any], Any], seen: Seen, talk: Talk) -> None:
        client = json.loads(base64.b64decode(seen.headers["x-amz-client-context"]))
        self.contexts.append(client)
        event = json.loads(seen.body)
        self.events.append(event)
        context = LambdaContext(Invocation(event=b"", custom=client["custom"], request_id="r"))
        try:
            answer = function(event, context)
        except Exception as error:  # noqa: BLE001 - as Lambda does
            said = {
                "errorMessage": str(error),
                "errorType": type(error).__name__,
                "stackTrace": traceback.format_tb(error.__traceback__),
            }
            await talk.json(said, 200, X_Amz_Function_Error="Unhandled")
        else:
            await talk.json(answer, 200, X_Amz_Executed_Version="$LATEST")

    def _unsigned(self, seen: Seen) -> str:
        """What is wrong with the signature of a request; "" where nothing is."""
        match = _AUTHORIZATION.fullmatch(seen.headers.get("authorization", ""))
        if match is None:
            return "Missing Authentication Token"
        key, scope, names, signature = match.groups()
        instant = seen.headers.get("x-amz-date", "")
        signed = names.split(";")
        if key != ACCESS_KEY or scope != f"{instant[:8]}/{REGION}/lambda/aws4_request":
            return "The security token included in the request is invalid."
        needed = {"host", "x-amz-date", "x-amz-client-context"}
        if self.token is not None:
            needed.add("x-amz-security-token")
        if not needed <= set(signed) or seen.headers.get("x-amz-security-token") != self.token:
            return "Not everything that matters is signed."
        if not hmac.compare_digest(signature, _signature(seen, scope, instant, signed)):
            return "The request signature we calculated does not match."
        return ""


def _signature(seen: Seen, scope: str, instant: str, names: list[str]) -> str:
    """Signature Version 4, from the documentation of AWS (IAM user guide, "Create a signed request")."""
    place = urlsplit(seen.path)
    query = sorted(parse_qsl(place.query, keep_blank_values=True))
    canonical = "\n".join(
        (
            seen.method,
            quote(place.path, safe="/-_.~"),  # quoted once on the wire, once more here
            "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in query),
            *(f"{name}:{' '.join(seen.headers[name].split())}" for name in names),
            "",
            ";".join(names),
            hashlib.sha256(seen.body).hexdigest(),
        )
    )
    text = "\n".join(
        ("AWS4-HMAC-SHA256", instant, scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    key = ("AWS4" + SECRET_KEY).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()
