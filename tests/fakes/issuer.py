"""An identity provider: signs tokens, and publishes its keys over real HTTP on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

SIGNING_KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "PS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
OTHER_KEYS: dict[str, Any] = {"ES256": ec.generate_private_key(ec.SECP256R1())}


def public_jwk(algorithm: str, key: Any, **members: Any) -> dict[str, Any]:
    """The JWK of a private key's public half."""
    of_algorithm = jwt.get_algorithm_by_name(algorithm)
    jwk: dict[str, Any] = json.loads(of_algorithm.to_jwk(key.public_key()))
    jwk.pop("key_ops", None)
    return {**jwk, "kid": algorithm, "alg": algorithm, "use": "sig", **members}


def jwk_set(*keys: dict[str, Any]) -> bytes:
    """A JWK Set of these keys, or of all signing keys."""
    every = [public_jwk(algorithm, key) for algorithm, key in SIGNING_KEYS.items()]
    return json.dumps({"keys": list(keys) or every}).encode()


def a_token(claims: dict[str, Any], *, algorithm: str = "ES256", **header: Any) -> str:
    """A token signed with the issuer's key for the algorithm."""
    headers = {"kid": algorithm, **header}
    headers = {name: value for name, value in headers.items() if value is not None}
    return jwt.encode(claims, SIGNING_KEYS[algorithm], algorithm=algorithm, headers=headers)


class FakeIssuer:
    """What the issuer's server answers: path → (status, body). Tests change it as they go."""

    def __init__(self) -> None:
        self.url = ""
        self.pages: dict[str, tuple[int, bytes]] = {}
        self.headers: dict[str, str] = {}
        self.requests: list[str] = []
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def publish(self, keys: bytes | None = None, **metadata: Any) -> None:
        """Metadata where OpenID Connect Discovery looks for it, and the keys it points to."""
        document = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **metadata}
        self.pages["/.well-known/openid-configuration"] = (200, json.dumps(document).encode())
        self.pages["/keys"] = (200, jwk_set() if keys is None else keys)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One HTTP/1.1 request and its answer."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].decode()
            self.requests.append(path)
            self.was_asked.set()
            await self.may_answer.wait()
            status, body = self.pages.get(path, (404, b""))
            lines = [f"HTTP/1.1 {status} Answer", f"Content-Length: {len(body)}"]
            lines += [f"{name}: {value}" for name, value in self.headers.items()]
            writer.write("\r\n".join([*lines, "Connection: close", "", ""]).encode() + body)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up: that is what some tests are about
        finally:
            writer.close()


@asynccontextmanager
async def running_issuer() -> AsyncIterator[FakeIssuer]:
    """An issuer on a free port of this machine, publishing its keys."""
    issuer = FakeIssuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    issuer.url = f"http://127.0.0.1:{port}"
    issuer.publish()
    try:
        yield issuer
    finally:
        issuer.may_answer.set()
        server.close()
        await server.wait_closed()
