"""Entries and calls as CloudEvents 1.0, in JSON."""

from __future__ import annotations

from callgate.exports.calls import ending, place_of
from callgate.model import Json

SPECVERSION = "1.0"
PREFIX = "dev.callgate"
MEDIA_TYPE = "application/cloudevents+json"
BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"


def cloud_event(said: dict[str, Json], origin: str) -> dict[str, Json]:
    """A whole call, or an entry of the record, as the data of an event.

    `id` is the place in the record: whoever gets an event again can tell.
    """
    event: dict[str, Json] = {
        "specversion": SPECVERSION,
        "id": place_of(said, origin),
        "source": f"//{origin}",
        "type": code_of(said),
        "subject": said["call"],
        "time": said["at"],
        "datacontenttype": "application/json",
    }
    if said.get("traceparent"):
        event["traceparent"] = said["traceparent"]  # the extension of distributed tracing
    return {**event, "data": said}


def code_of(said: dict[str, Json]) -> str:
    """The stable code: `dev.callgate.call.refused`, `dev.callgate.policies_in_force`."""
    if said.get("kind") == "event":
        return f"{PREFIX}.{said.get('event') or said['code']}"  # of an erased one there is the code
    if said.get("kind") == "intent" or said.get("code") is None:
        return f"{PREFIX}.call.intended"
    return f"{PREFIX}.call.{ending(said)}"
