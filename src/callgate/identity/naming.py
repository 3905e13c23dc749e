"""What may name somebody: the one rule that ids, groups, tenants and agents keep."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

MAX_NAME_CHARACTERS = 512


def is_plain(text: str) -> bool:
    """Whether a text may name somebody: not empty, not endless, no control characters.

    INVARIANT: names are joined with U+001F into keys of shared state, so none may contain it.
    """
    return 0 < len(text) <= MAX_NAME_CHARACTERS and text.isprintable()


def _checked(text: str) -> str:
    if not is_plain(text):
        raise ValueError(
            f"must have 1 to {MAX_NAME_CHARACTERS} characters and no control characters"
        )
    return text


Name = Annotated[str, AfterValidator(_checked)]
