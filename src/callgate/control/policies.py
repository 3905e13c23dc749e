"""`/api/v1/policies`: the policy set that decides now, and changes to what the store holds."""

from __future__ import annotations

import asyncio

import msgspec

from callgate.audit.record import rfc3339
from callgate.control.desk import Changed, Standing, Terms
from callgate.control.problems import Problem
from callgate.control.routing import Request, Response
from callgate.control.views import Views
from callgate.model import Json
from callgate.policy.source import Policy
from callgate.policy.versions import MAX_MESSAGE_CHARACTERS, VersionInfo, difference

MOST_VERSIONS = 1000
_encode = msgspec.json.Encoder().encode
TERMS = ("message", "if_version", "dry_run")


async def listed(_request: Request, views: Views) -> Response:
    """Each policy with its text and place; `version` is what verdicts name."""
    engine = views.in_force().engine
    standing = views.policies.standing()

    def told() -> dict[str, Json]:
        return {
            "version": engine.version,
            "mode": standing.mode,
            "stored_version": None if standing.stored is None else standing.stored.number,
            "commit": standing.commit,
            "problems": standing.problems,
            "findings": standing.findings,
            # One by one: encoding a large set at once would keep the interpreter for too long.
            "policies": [msgspec.Raw(_encode(_policy(one, standing))) for one in engine.policies],
        }

    return _tagged(Response.json(await asyncio.to_thread(told)), standing.stored)


async def one(request: Request, views: Views) -> Response:
    """One policy in force, and what is wrong with it."""
    identifier = request.parts["id"]
    standing = views.policies.standing()
    for policy in views.in_force().engine.policies:
        if policy.id == identifier:
            found = [finding for finding in standing.findings if finding.policy == identifier]
            told = {**_policy(policy, standing), "findings": found}
            return _tagged(Response.json(told), standing.stored)
    raise Problem(404, "No policy in force has this id.")


async def versions(request: Request, views: Views) -> Response:
    """The versions of the policies in the store, newest first."""
    limit = _number("limit", request.parameters(("limit",)).get("limit", "100"))
    if not 0 < limit <= MOST_VERSIONS:
        raise Problem(400, f"`limit` must be a number from 1 to {MOST_VERSIONS}.")
    found = await views.policies.versions(limit)
    return Response.json({"versions": [_version(info) for info in found]})


async def version(request: Request, views: Views) -> Response:
    """One version with the texts of its policies."""
    found = await views.policies.version(_number("n", request.parts["n"]))
    return Response.json({**_version(found.info), "policies": found.policies})


async def diff(request: Request, views: Views) -> Response:
    """What changed from one version to another; 0 is the empty one before the first."""
    one, other = (_number(name, request.parts[name]) for name in ("a", "b"))
    old, new = [await views.policies.version(number) for number in (one, other)]
    change = difference(old.policies, new.policies)
    return Response.json({"from": one, "to": other, **msgspec.to_builtins(change)})


async def put(request: Request, views: Views) -> Response:
    """Adds or replaces a policy: `{"text": …}`. 201 where it is new."""
    body = _body(request, ("text", *TERMS))
    text = body.get("text")
    if not isinstance(text, str):
        raise Problem(400, "`text` must be the text of the policy.")
    terms = _terms(request, body)
    made = await views.policies.put(request.parts["id"], text, terms)
    is_new = bool(made.change.added) and not made.is_dry
    return _changed(made, 201 if is_new else 200)


async def delete(request: Request, views: Views) -> Response:
    """Removes a policy from the store. Takes its terms from the query."""
    given = request.parameters(TERMS)
    body: dict[str, Json] = dict(given)
    if "if_version" in given:
        body["if_version"] = _number("if_version", given["if_version"])
    if "dry_run" in given:
        if given["dry_run"] not in ("true", "false"):
            raise Problem(400, "`dry_run` must be true or false.")
        body["dry_run"] = given["dry_run"] == "true"
    return _changed(await views.policies.delete(request.parts["id"], _terms(request, body)))


async def rollback(request: Request, views: Views) -> Response:
    """Goes back to `{"version": n}`, as a new version."""
    body = _body(request, ("version", *TERMS))
    number = body.get("version")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise Problem(400, "`version` must be the number of a version.")
    return _changed(await views.policies.rollback(number, _terms(request, body)))


async def promote(request: Request, views: Views) -> Response:
    """Turns the shadow policy `{"id": …}` into an active one."""
    body = _body(request, ("id", *TERMS))
    identifier = body.get("id")
    if not isinstance(identifier, str):
        raise Problem(400, "`id` must be the id of a policy.")
    return _changed(await views.policies.promote(identifier, _terms(request, body)))


def _policy(policy: Policy, standing: Standing) -> dict[str, Json]:
    origin = standing.origins.get(policy.source)
    return {
        "id": policy.id,
        "source": policy.source,
        "line": policy.line,
        "origin": None if origin is None else origin.kind,
        "place": None if origin is None else origin.place,
        "effect": policy.effect,
        "mode": policy.mode,
        "text": policy.text,
        "advice": policy.advice,
    }


def _version(info: VersionInfo) -> dict[str, Json]:
    return {
        "number": info.number,
        "parent": info.parent,
        "author": info.author,
        "message": info.message,
        "created_at": rfc3339(info.created_at),
        "sha256": info.digest,
    }


def _changed(made: Changed, status: int = 200) -> Response:
    told = {
        "dry_run": made.is_dry,
        "version": _version(made.version),
        "in_force": made.in_force,
        "change": made.change,
        "findings": made.findings,
    }
    return _tagged(Response.json(told, status), made.version)


def _tagged(response: Response, stored: VersionInfo | None) -> Response:
    if stored is None:
        return response
    headers = (*response.headers, ("etag", f'"{stored.number}"'))
    return Response(response.body, response.status, response.media_type, headers)


def _body(request: Request, known: tuple[str, ...]) -> dict[str, Json]:
    body = request.json()
    if not isinstance(body, dict):
        raise Problem(400, "The body must be a JSON object.")
    for name in body:
        if name not in known:
            raise Problem(400, f"There is no member {name[:64]!r}; use {', '.join(known)}.")
    return body


def _terms(request: Request, body: dict[str, Json]) -> Terms:
    message, if_version, is_dry = (body.get(name) for name in TERMS)
    if not isinstance(message or "", str) or len(message or "") > MAX_MESSAGE_CHARACTERS:
        raise Problem(400, f"`message` must be a text of at most {MAX_MESSAGE_CHARACTERS} letters.")
    if not isinstance(is_dry, (bool, type(None))):
        raise Problem(400, "`dry_run` must be true or false.")
    if isinstance(if_version, bool) or not isinstance(if_version, (int, type(None))):
        raise Problem(400, "`if_version` must be the number of a version.")
    tag = request.header("if-match")
    is_tagged = tag is not None and tag != "*"
    if tag is not None and is_tagged:
        if_version = _agreed(if_version, _number("If-Match", tag.strip('"')))
    return Terms(
        author=request.operator,
        message=message or "",
        if_version=if_version,
        is_tagged=is_tagged,
        is_dry=bool(is_dry),
    )


def _agreed(said: int | None, tag: int) -> int:
    if said is not None and said != tag:
        raise Problem(400, "`if_version` and `If-Match` name different versions; send one.")
    return tag


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise Problem(400, f"`{name}` must be a number.")
    return int(text)
