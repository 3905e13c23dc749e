"""A RESPONSE interceptor that masks e-mail addresses and phone numbers (scenario 25)."""

import json
import re
from typing import Any

EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+")
PHONE = re.compile(r"\+\d[\d ]{6,}\d")


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    response = event["mcp"]["gatewayResponse"]
    masked = PHONE.sub("{PHONE}", EMAIL.sub("{EMAIL}", json.dumps(response["body"])))
    return {
        "interceptorOutputVersion": "1.0",
        "mcp": {
            "transformedGatewayResponse": {
                "statusCode": response["statusCode"],
                "body": json.loads(masked),
            }
        },
    }
