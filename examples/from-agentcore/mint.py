"""Plays the identity provider: prints a token. `python mint.py ID [CLAIM=VALUE…]`."""

from __future__ import annotations

import os
import sys

import jwt

identifier, *given = sys.argv[1:]
claims: dict[str, object] = {
    "iss": "https://login.insurer.example",
    "aud": "underwriting",
    "sub": identifier,
    "exp": 4102444800,  # in 2100: real tokens live for minutes
}
for claim in given:
    name, _, value = claim.partition("=")
    claims[name] = value.split(",") if "," in value else value
print(jwt.encode(claims, os.environ["IDP_SECRET"], algorithm="HS256"))
