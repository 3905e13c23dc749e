"""What interceptors did is told with what they changed, and to what."""

from __future__ import annotations

from typing import Any

from callgate.audit.changes import done, in_milliseconds
from callgate.audit.record import content_of
from callgate.model import Change
from fakes.store import an_outcome


def test_what_interceptors_changed_is_told_value_by_value() -> None:
    patch: tuple[dict[str, Any], ...] = (
        {"op": "replace", "path": "/amount", "value": 100},
        {"op": "remove", "path": "/note"},
        {"op": "replace", "path": "/text", "at": [3, 9], "value": "x"},
        *({"op": "add", "path": f"/a{n}", "value": n} for n in range(8)),
    )
    change = Change(
        interceptor="cap", phase="request", action="changed", paths=("/amount",), patch=patch
    )
    told = list(done(content_of(an_outcome(changes=(change,), onward={"x-a": "secret"}))))

    assert told[1:4] == [
        "  /amount became 100",
        "  /note was taken out",
        '  /text from character 3 to 9 became "x"',
    ]
    assert "  and 3 more changes" in told
    assert told[-1] == "Headers that they added were sent: x-a; what was in them is not recorded."


def test_where_none_did_anything_that_is_said() -> None:
    assert list(done({})) == ["None did anything."]


def test_durations_are_as_people_read_them() -> None:
    assert (in_milliseconds(0.0005), in_milliseconds(2.5)) == ("0.5 ms", "2.5 s")
