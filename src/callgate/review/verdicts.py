"""What reviewers say of calls: justified, over-blocked or missed; kept as events of the record."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from callgate.audit.event import event
from callgate.audit.record import Entry
from callgate.model import Json, Value

REVIEW_VERDICT = "review_verdict"
MAX_NOTE = 2_000  # characters


class Judgement(StrEnum):
    """How a call came out, as a person sees it."""

    JUSTIFIED = "justified"  # it came out as it should
    OVER_BLOCKED = "over-blocked"  # it was refused or withheld, and should not have been
    MISSED = "missed"  # it went through, and should not have


class ReviewVerdict(Value):
    """What one reviewer says of one call. A later one of the same call replaces it."""

    about: str  # the id of the call
    verdict: Judgement
    author: str  # the operator who said it
    run: str | None = None
    note: str = ""
    at: str = ""  # RFC 3339; "" while it is not recorded


def verdict_entry(said: ReviewVerdict, at: float) -> Entry:
    """The event that keeps a verdict."""
    body: dict[str, Json] = {
        "run": said.run,
        "about": said.about,
        "verdict": said.verdict.value,
        "note": said.note,
        "author": said.author,
    }
    return event(REVIEW_VERDICT, at, body)


def verdicts_of(events: Iterable[dict[str, Json]]) -> dict[str, ReviewVerdict]:
    """The latest verdict of each call, by its id."""
    found: dict[str, ReviewVerdict] = {}
    for one in sorted(events, key=lambda said: str(said.get("at"))):
        try:
            verdict = Judgement(one["verdict"])
        except (KeyError, ValueError):
            continue  # of a later version, which knows other verdicts
        found[one["about"]] = ReviewVerdict(
            about=one["about"],
            verdict=verdict,
            author=str(one.get("author") or ""),
            run=one.get("run"),
            note=str(one.get("note") or ""),
            at=str(one["at"]),
        )
    return found


def objection(verdict: Judgement, code: str | None, ran: str | None) -> str:
    """Why a verdict cannot be said of a call that ended so; empty where it can."""
    if code is None:
        return "the call is still in flight; judge it once it has ended"
    if verdict is Judgement.OVER_BLOCKED and code == "ok":
        return "the call was let through, so that nothing blocked it"
    if verdict is Judgement.MISSED and code != "ok" and ran == "no":
        return "the call was not let through, so that nothing was missed"
    return ""
