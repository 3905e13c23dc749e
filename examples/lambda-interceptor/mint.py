"""Plays the identity provider: `python mint.py NAME SCOPES`, with IDP_SECRET set."""

import os
import sys

import jwt

name, scopes = sys.argv[1:]
claims = {
    "iss": "https://idp.example",
    "aud": "callgate",
    "sub": name,
    "scope": scopes,
    "exp": 4102444800,  # in 2100: real tokens live for minutes
}
print(jwt.encode(claims, os.environ["IDP_SECRET"], algorithm="HS256"))
