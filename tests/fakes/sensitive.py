"""Made-up secrets of many kinds, encodings of them, and texts that hold none.

Everything is put together when it is asked for, so that no file holds what a scanner would report.
"""

from __future__ import annotations

import base64
import codecs
import gzip
import hashlib
import hmac
import html
import json
import random
import string
import subprocess
import uuid
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

ALNUM = string.ascii_letters + string.digits
HEX = "0123456789abcdef"
ROOT = Path(__file__).parents[2]


def secrets(seed: int = 1) -> dict[str, tuple[str, str]]:
    """Kind → the secret, and a text that holds it. 24 kinds."""
    chance = random.Random(seed)

    def some(count: int, of: str = ALNUM) -> str:
        return "".join(chance.choice(of) for _ in range(count))

    alone = {
        "aws access key id": "AKI" + "A" + some(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
        "github token": "gh" + "p_" + some(36),
        "github fine-grained token": "github" + "_pat_" + some(22) + "_" + some(59),
        "gitlab token": "glpat" + "-" + some(20),
        "slack bot token": "xox" + "b-" + some(12, string.digits) + "-" + some(13) + some(11),
        "slack webhook": "https://hooks."
        + "slack.com/services/T0"
        + some(8)
        + "/B0"
        + some(8)
        + "/"
        + some(24),
        "stripe key": "sk_" + "live_" + some(24),
        "google api key": "AI" + "za" + some(35),
        "google oauth secret": "GOC" + "SPX-" + some(28),
        "openai key": "sk-" + "proj-" + some(40) + "T3Blbk" + "FJ" + some(40),
        "anthropic key": "sk-" + "ant-api03-" + some(93) + "AA",
        "npm token": "np" + "m_" + some(36),
        "pypi token": "pypi" + "-AgEIcHlwaS5vcmc" + some(70),
        "sendgrid key": "SG" + "." + some(22) + "." + some(43),
        "vault token": "hv" + "s." + some(90),
        "hugging face token": "h" + "f_" + some(34, string.ascii_letters),
        "json web token": _jwt(some(32).encode()),
        "private key": _pem(serialization.PrivateFormat.PKCS8),
        "openssh key": _pem(serialization.PrivateFormat.OpenSSH),
        "rsa key": _rsa(),
    }
    within = {
        "aws secret key": (aws := some(40), f'aws_secret_access_key = "{aws}"'),
        "password": (password := some(12) + "7!", f"password: {password}"),
        "bearer token": (bearer := some(40), f"Authorization: Bearer {bearer}"),
        "password in a url": (
            word := some(16),
            f"postgres://shop:{word}@db.internal.example:5432/orders",
        ),
    }
    return {kind: (secret, f"It is {secret} now") for kind, secret in alone.items()} | within


def _jwt(key: bytes) -> str:
    def part(value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = (
        part({"alg": "HS256", "typ": "JWT"}) + "." + part({"sub": "1234", "exp": 2_000_000_000})
    )
    return signed + "." + part(hmac.digest(key, signed.encode(), hashlib.sha256))


def _pem(form: serialization.PrivateFormat) -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    nothing = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, nothing).decode().strip()


def _rsa() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, nothing = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, nothing).decode().strip()


def _base64(text: str, times: int = 1) -> str:
    for _ in range(times):
        text = base64.b64encode(text.encode()).decode()
    return text


def _lines(text: str) -> str:
    return base64.encodebytes((text + " and something else " * 10).encode()).decode()


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


def _tags(text: str) -> str:
    return "".join(chr(0xE0000 + ord(c)) for c in text)


def _split(text: str) -> list[str]:
    return [text[place : place + 9] for place in range(0, len(text), 9)]


Encode = Callable[[str], Any]

ENCODINGS: dict[str, Encode] = {
    "base64": _base64,
    "base64 twice": lambda text: _base64(text, 2),
    "base64 three times": lambda text: _base64(text, 3),
    "base64url, no padding": lambda text: (
        base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    ),
    "base64 in lines": _lines,
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "spaced hex": lambda text: text.encode().hex(" "),
    "\\x escapes": lambda text: "".join(f"\\x{byte:02x}" for byte in text.encode()),
    "gzip in base64": lambda text: base64.b64encode(gzip.compress(text.encode())).decode(),
    "zlib in base64": lambda text: base64.b64encode(zlib.compress(text.encode())).decode(),
    "zlib in hex": lambda text: zlib.compress(text.encode()).hex(),
    "percent": lambda text: "".join(f"%{byte:02X}" for byte in text.encode()),
    "percent twice": lambda text: quote("".join(f"%{byte:02X}" for byte in text.encode())),
    "\\u escapes": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "HTML entities": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "zero-width characters": "\u200b".join,
    "full-width letters": _full_width,
    "tag characters": _tags,
    "reversed": lambda text: text[::-1],
    "split over list items": _split,
    "in a key": lambda text: {text: 1},
    "in a URL": lambda text: f"https://x.example/?q={quote(_base64(text), safe='')}&n=1",
}
"""How one secret can be written: what every text of ours is tried in."""

FURTHER: dict[str, Encode] = {
    "base32": lambda text: base64.b32encode(text.encode()).decode(),
    "ascii85": lambda text: base64.a85encode(text.encode(), adobe=True).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "UTF-16 in base64": lambda text: base64.b64encode(text.encode("utf-16-le")).decode(),
    "codes of characters": lambda text: [ord(c) for c in text],
    "JSON in a string": lambda text: json.dumps({"a": [text]}),
    "JSON in JSON in a string": lambda text: json.dumps({"a": json.dumps({"b": text})}),
    "hex in base64": lambda text: _base64(text.encode().hex()),
    "base64 split over items": lambda text: _split(_base64(text)),
    "soft hyphens": "\u00ad".join,
    "named entities in an attribute": lambda text: f'<a title="{html.escape(text)}&#10;">',
    "mathematical letters": lambda text: "".join(
        chr(0x1D5BA + ord(c) - 97) if "a" <= c <= "z" else c for c in text
    ),
}


def benign() -> dict[str, Any]:
    """Results and arguments that hold nothing to redact, as tools give and take them."""
    chance = random.Random(7)

    def some(count: int, of: str = HEX) -> str:
        return "".join(chance.choice(of) for _ in range(count))

    def data(size: int) -> str:
        return base64.b64encode(chance.randbytes(size)).decode()

    picture = b"\x89PNG\r\n\x1a\n" + chance.randbytes(30_000)
    source = ROOT / "src" / "callgate"
    made: dict[str, Any] = {
        "a git log": _text(_git("log", "-40", "--format=commit %H%nTree: %T%nDate: %ad%n%n  %s%n")),
        "commits": [{"sha": some(40), "parents": [some(40)], "size": n} for n in range(200)],
        "uuids": [str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(300)],
        "digests": {name: some(64) for name in ("sha256", "digest", "etag")}
        | {"sha512": some(128), "md5": some(32), "integrity": "sha512-" + data(64)},
        "a picture": {
            "content": [
                {
                    "type": "image",
                    "mimeType": "image/png",
                    "data": base64.b64encode(picture).decode(),
                }
            ]
        },
        "packed data": {"blob": base64.b64encode(gzip.compress(chance.randbytes(2000))).decode()},
        "long ids": [chance.randrange(10**17, 10**18) for _ in range(500)],
        "snowflakes": [str(175_928_847_299_117_063 + 4_194_304 * n) for n in range(500)],
        "instants": [
            {"at": 1_790_000_000_000 + n, "ns": 1_790_000_000_000_000 + n} for n in range(300)
        ],
        "numbers": [[chance.random() * 1000 for _ in range(20)] for _ in range(20)],
        "pixels": [[chance.randrange(256) for _ in range(40)] for _ in range(40)],
        "years": ["2023", "2024", "2025", "2026", "2027", "2028"],
        "quarters": ["1111", "2222", "3333", "4444", "5555", "6666"],
        "words": [some(chance.randrange(3, 14), string.ascii_lowercase) for _ in range(500)],
        "ids": {"request_id": f"req_{some(24)}", "trace": f"00-{some(32)}-{some(16)}-01"},
        "a cursor": {"nextCursor": base64.b64encode(b'{"page":2,"after":"2026-11-22"}').decode()},
        "a certificate": _text(_certificate(data(900))),
        "tracebacks": _text('File "/srv/app/main.py", line 12, in <module>\n' * 40),
        "a lockfile": _text(
            "\n".join(f"pkg{n}==1.{n}.0 \\\n    --hash=sha256:{some(64)}" for n in range(60))
        ),
        "markdown": _text((ROOT / "docs" / "policies.md").read_text("utf-8")),
        "urls": [
            f"https://shop.example/items/{n}?sort=price&page={n}%20of%2040" for n in range(80)
        ],
        "a time": _text('{"timezone": "Europe/Berlin", "datetime": "2026-11-22T10:00:00+01:00"}'),
        "csv": _text("\n".join(f"{n},{n * 37},2026-11-{n % 28 + 1:02d},ok" for n in range(300))),
        "html": _text("<p>Ein Stra&szlig;enfest &amp; mehr&nbsp;&#8230;</p>\n" * 60),
        "chinese": _text("订单已发货，请注意查收。运单号：暂无（稍后更新）。" * 60),
        "russian": _text("Заказ отправлен, ожидайте доставки в течение двух дней. " * 60),
        "types": _text("password: str\nsecret: SecretStr\ntoken = settings.token\nkey=key\n" * 20),
        "a schema": {"properties": {"password": {"type": "string"}, "token": {"type": "string"}}},
    }
    for path in sorted((source / "pipeline").rglob("*.py")):
        made[f"code: {path.name}"] = _text(path.read_text("utf-8"))
    return made


def _text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout or "commit 3f786850e387550fdab836ed7e6dc881de23001b\n"


def _certificate(body: str) -> str:
    lines = [body[place : place + 64] for place in range(0, len(body), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----"))
