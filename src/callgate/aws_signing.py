"""Requests to AWS, and to what speaks like it: signed with SigV4, by whomever credentials name."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Mapping
from typing import Any, Self

from pydantic import SecretStr, model_validator

from callgate.settings import Settings

REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
S3 = "s3"  # the one service that signs in a way of its own


class SigningError(Exception):
    """Nothing can be signed; the message says what is missing."""


class CredentialSettings(Settings):
    """Who asks AWS, for the blocks that ask it."""

    access_key_id: SecretStr | None = None
    """Who asks. Where left out, credentials are looked for as the AWS SDKs do: environment, files,
    the role of the machine."""

    secret_access_key: SecretStr | None = None
    """The secret of `access_key_id`, as a reference."""

    session_token: SecretStr | None = None
    """The session token of temporary credentials, as a reference."""

    @model_validator(mode="after")
    def _whole_credentials(self) -> Self:
        if (self.access_key_id is None) is not (self.secret_access_key is None):
            raise ValueError("`access_key_id` and `secret_access_key` go together")
        return self


class Signer:
    """Signs with botocore, which also knows every place where credentials may be.

    For one service in one region. Safe for several threads.
    """

    def __init__(self, service: str, region: str, settings: CredentialSettings) -> None:
        """Raises SigningError where botocore is missing."""
        try:
            self._auth = importlib.import_module("botocore.auth")
            self._request = importlib.import_module("botocore.awsrequest")
            self._known = importlib.import_module("botocore.credentials")
            self._sessions = importlib.import_module("botocore.session")
        except ImportError:
            raise SigningError("needs botocore; install callgate[aws]") from None
        self._service = service
        self._region = region
        self._lock = threading.Lock()
        self._credentials: Any = None
        if settings.access_key_id is not None and settings.secret_access_key is not None:
            token = settings.session_token
            self._credentials = self._known.Credentials(
                settings.access_key_id.get_secret_value(),
                settings.secret_access_key.get_secret_value(),
                None if token is None else token.get_secret_value(),
            )

    def signed(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """The headers of the request, signature and all. Raises SigningError.

        Blocking: credentials may come from elsewhere.
        """
        request = self._request.AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        way = self._auth.S3SigV4Auth if self._service == S3 else self._auth.SigV4Auth
        way(self._frozen(), self._service, self._region).add_auth(request)
        return {str(name): str(value) for name, value in request.headers.items()}

    def _frozen(self) -> Any:
        with self._lock:
            if self._credentials is None:
                self._credentials = self._sessions.Session().get_credentials()
            if self._credentials is None:
                raise SigningError(
                    "no AWS credentials were found; set `access_key_id` and `secret_access_key`, "
                    "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                )
            return self._credentials.get_frozen_credentials()


def region_here() -> str | None:
    """The region that the environment names."""
    return next((found for name in REGION_VARIABLES if (found := os.environ.get(name))), None)
