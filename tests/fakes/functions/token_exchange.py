"""A REQUEST interceptor that exchanges the inbound token for the target's (scenario 23)."""

import json
import os
import urllib.parse
import urllib.request
from typing import Any


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = event["mcp"]["gatewayRequest"]
    token = request["headers"]["authorization"].removeprefix("Bearer ")
    form = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "https://target.example",
    }
    asked = urllib.request.Request(os.environ["TOKEN_URL"], urllib.parse.urlencode(form).encode())
    timeout = context.get_remaining_time_in_millis() / 1000
    with urllib.request.urlopen(asked, timeout=timeout) as answer:
        exchanged = json.load(answer)["access_token"]
    return {
        "interceptorOutputVersion": "1.0",
        "mcp": {
            "transformedGatewayRequest": {
                "headers": {"Authorization": f"Bearer {exchanged}"},
                "body": request["body"],
            }
        },
    }
