"""What went wrong with a request, as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

from http import HTTPStatus

from callgate.model import Json


class Problem(Exception):  # noqa: N818 - named as the RFC names it
    """The answer to a request that cannot be done. `detail` is one sentence that says the fix."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        **members: Json,
    ) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.headers = headers
        self.body: dict[str, Json] = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            **members,
        }
