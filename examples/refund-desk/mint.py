"""Plays the identity provider: prints a token. `python mint.py NAME ROLE`, with DESK_SECRET set."""

from __future__ import annotations

import os
import sys

import jwt

name, role = sys.argv[1:]
claims = {
    "iss": "https://login.shop.example",
    "aud": "refund-desk",
    "sub": name,
    "groups": ["staff"],
    "role": role,
    "azp": "desk-agent",
    "exp": 4102444800,  # in 2100: real tokens live for minutes
}
print(jwt.encode(claims, os.environ["DESK_SECRET"], algorithm="HS256"))
