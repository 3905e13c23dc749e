"""Each interceptor has a view of its own, of the call as it is when it is asked."""

from typing import Any

import pytest
from msgspec.structs import replace

from callgate.model import Verdict
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.unalterable import FixedDict
from callgate.pipeline.views import Views
from callgate.scrutiny import Listed, Message, Passive, Request, Result
from fakes.calls import a_call, a_principal, a_tool


class Foreign(Passive):
    is_gentle = False


def attachment(interceptor: Passive, **more: Any) -> Attachment:
    return Attachment(name="a", interceptor=interceptor, phases=frozenset({"request"}), **more)


GENTLE, FOREIGN = attachment(Passive()), attachment(Foreign())
CALL = replace(
    a_call(meta={"x": {"y": 1}}, headers={"x-team": "blue", "cookie": "c"}, session_id="s1"),
    principal=a_principal(),
    tool=a_tool(),
    enriched={"geo": {"country": "de"}},
    labels=("pii",),
    verdict=Verdict(is_permitted=True),
)


@pytest.mark.parametrize("at", [GENTLE, FOREIGN])
@pytest.mark.parametrize("kind", [Request, Result, Message, Listed])
def test_a_view_shows_the_call(at: Attachment, kind: Any) -> None:
    view = Views(kind).of(CALL, at)

    shown = {name: getattr(view, name) for name in ("call_id", "principal", "tool", "run", "meta")}
    assert shown == {
        "call_id": "c000",
        "principal": CALL.principal,
        "tool": CALL.tool,
        "run": "s1",
        "meta": {"x": {"y": 1}},
    }
    assert view.labels == ("pii",) and view.headers == {}
    if kind is Request:
        assert view.enriched == {"geo": {"country": "de"}}
    if kind in (Request, Result):
        assert view.verdict == CALL.verdict


def test_a_view_is_of_the_call_as_it_is_now() -> None:
    views = Views(Request)

    before = views.of(CALL, GENTLE)
    after = views.of(replace(CALL, labels=("pii", "late")), GENTLE)

    assert (before.labels, after.labels) == (("pii",), ("pii", "late"))


def test_nobody_has_the_view_of_another() -> None:
    views = Views(Request)

    assert views.of(CALL, GENTLE) is not views.of(CALL, GENTLE)
    assert views.of(CALL, FOREIGN) is not views.of(CALL, FOREIGN)


def test_headers_are_shown_to_those_that_name_them_only() -> None:
    views = Views(Request)
    named = attachment(Passive(), headers=frozenset({"x-team", "x-other"}))

    assert [views.of(CALL, at).headers for at in (GENTLE, named, GENTLE)] == [
        {},
        {"x-team": "blue"},
        {},
    ]


def test_foreign_code_is_shown_what_it_cannot_change() -> None:
    view = Views(Request).of(CALL, FOREIGN)

    shared = (view.tool.definition, view.principal.claims, view.meta, view.enriched, view.headers)
    assert {type(value) for value in shared} == {FixedDict}


@pytest.mark.parametrize(
    ("sent", "run"), [(None, "4bf9"), ("", ""), ("00-a1b2-00f0-01", "a1b2"), ("nonsense", "")]
)
def test_without_a_session_a_run_is_the_trace_that_the_agent_sent_not_one_of_ours(
    sent: str | None, run: str
) -> None:
    meta = {"traceparent": "00-4bf9-00f0-01"}
    call = replace(CALL, session_id=None, meta=meta, sent_traceparent=sent)

    assert Views(Request).of(call, GENTLE).run == run
