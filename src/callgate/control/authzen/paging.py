"""Pages of a search: opaque tokens that hold where to go on, and for which request."""

from __future__ import annotations

import binascii
import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence

import msgspec

from callgate.control.authzen.reading import Page, Unclear
from callgate.model import Json, Value

MOST_RESULTS = 1000  # on one page

_encode = msgspec.json.Encoder(order="sorted").encode


class _Token(Value, array_like=True):
    """Neither secret nor signed: another one asks for another part of what may be seen anyway."""

    begin: int
    limit: int
    request: str


_read = msgspec.json.Decoder(_Token, strict=True).decode


def paged(results: Sequence[Json], page: Page, body: Mapping[str, Json]) -> dict[str, Json]:
    """The search response (§8.3) with the part of the results that `page` asks for.

    Raises Unclear where the token is not one of ours, or of another request (§8.2).
    """
    request = _digest(body)
    token = _token(page, request) if page.token else None
    begin = token.begin if token is not None else 0
    limit = token.limit if token is not None else _limit(page.limit)
    part = results[begin : begin + limit]
    end = begin + len(part)
    next_token = ""
    if end < len(results):
        following = _Token(begin=end, limit=limit, request=request)
        next_token = urlsafe_b64encode(_encode(following)).decode()
    return {
        "page": {"next_token": next_token, "count": len(part), "total": len(results)},
        "results": list(part),
    }


def _limit(asked: int | None) -> int:
    return MOST_RESULTS if asked is None else min(asked, MOST_RESULTS)


def _token(page: Page, request: str) -> _Token:
    try:
        token = _read(urlsafe_b64decode(page.token))
    except (binascii.Error, ValueError):
        raise Unclear("`page.token` is not one that this gateway made.") from None
    if token.begin < 0 or not 0 <= token.limit <= MOST_RESULTS:
        raise Unclear("`page.token` is not one that this gateway made.")
    # The specification's own example leaves `limit` out of the second request, so both are right.
    if token.request != request or (page.limit is not None and _limit(page.limit) != token.limit):
        raise Unclear("`page.token` is of another request; begin again without it.")
    return token


def _digest(body: Mapping[str, Json]) -> str:
    entities = {name: body.get(name) for name in ("subject", "action", "resource", "context")}
    return hashlib.sha256(_encode(entities)).hexdigest()[:32]
