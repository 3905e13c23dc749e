"""Guards at their place in a call: what they refuse never reaches the target, and is on record."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import msgspec
import pytest

from callgate.interceptors.fields import MAX_TEXTS
from callgate.interceptors.guarding.guards import Guard, GuardSettings, Objection
from callgate.interceptors.kinds import KINDS, Place
from callgate.interceptors.settings import InterceptorSettings
from callgate.model import Outcome, Reply
from callgate.pipeline.attaching import Attachment
from callgate.pipeline.pipeline import govern
from callgate.scrutiny import Decision, Message, Request
from fakes.calls import a_call, a_principal, a_tool
from fakes.clock import FakeClock
from fakes.gateway import a_gateway
from fakes.target import FakeCaller, FakeConnector

OPEN = {"type": "object", "properties": {"q": {}, "path": {"type": "string"}}}


def attached(tmp_path: Any = None, **settings: Any) -> Attachment:
    """An interceptor as callgate.yaml declares it."""
    made = InterceptorSettings.model_validate({"name": "guard", **settings})
    place = Place(name="guard", directory=tmp_path, clock=FakeClock(), points=made.on)
    return Attachment(
        name="guard", interceptor=KINDS[made.kind](made.of_kind, place), phases=made.on
    )


def run(chain: Attachment, arguments: dict[str, Any], **more: Any) -> tuple[Outcome, FakeConnector]:
    connector = FakeConnector(**more)
    gateway = a_gateway(tools=(a_tool(schema=OPEN),), connector=connector, chain=(chain,))
    outcome = asyncio.run(govern(a_call(arguments=arguments), gateway, FakeCaller()))
    return outcome, connector


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("Ada Lovelace", None),
        ("1; DROP TABLE customers; --", "refused_by_interceptor"),
        ("' UNION SELECT username, password FROM users --", "refused_by_interceptor"),
        ("' OR '1'='1", "refused_by_interceptor"),
    ],
)
def test_sql_injection_in_any_argument_never_reaches_the_target(
    query: str, code: str | None
) -> None:
    """As AgentCore's sample `prevent-sql-injection` does it: one passes, three are refused."""
    outcome, connector = run(
        attached(guard_sql={"fields": ["$"], "kind": "value"}), {"q": {"name": [query]}}
    )

    assert outcome.refusal_code == code
    assert len(connector.asked) == (0 if code else 1)
    if code:
        assert outcome.reason.startswith("The field $.q.name[0] looks like SQL injection")
        assert [(one.interceptor, one.action) for one in outcome.call.changes] == [
            ("guard", "refused")
        ]


def test_a_rewritten_argument_is_what_is_authorized_sent_and_recorded() -> None:
    chain = attached(guard_path={"fields": ["$.path"], "roots": ["/data"], "mode": "rewrite"})

    outcome, connector = run(chain, {"path": "/data/a/../b"})

    assert msgspec.json.decode(connector.asked[0].arguments) == {"path": "/data/b"}
    (change,) = outcome.call.changes
    assert (change.action, change.paths, change.note) == (
        "changed",
        ("/path",),
        "made plain: $.path",
    )


def test_a_guard_that_observes_records_what_it_would_have_refused() -> None:
    guard = attached(guard_path={"fields": ["$.path"], "roots": ["/data"]}, mode="observe")
    observing = Attachment(
        name="guard", interceptor=guard.interceptor, phases=guard.phases, is_observing=True
    )

    outcome, connector = run(observing, {"path": "/etc/passwd"})

    assert outcome.refusal_code is None and len(connector.asked) == 1
    assert [(one.action, one.mode) for one in outcome.call.changes] == [("refused", "observe")]


def test_a_result_is_withheld_after_the_tool_ran() -> None:
    async def answer(*_: Any) -> Reply:
        return Reply(body=b'{"content":[],"structuredContent":{"file":"/etc/shadow"}}')

    chain = attached(
        guard_path={"fields": ["$.structuredContent.file"], "roots": ["/data"]}, on=["result"]
    )
    outcome, _ = run(chain, {"path": "x"}, answer=answer)

    assert outcome.refusal_code == "result_withheld"
    assert outcome.reason == (
        "The field $.structuredContent.file must lead to a place under /data."
    )


@pytest.mark.parametrize("kind", ["size", "schema"])
def test_the_other_built_ins_stand_in_the_configuration_too(kind: str) -> None:
    settings: dict[str, Any] = {"size": {"max_depth": 1}, "schema": {"closed": True}}

    outcome, connector = run(attached(**{kind: settings[kind]}), {"q": [1], "secret": 1})

    assert outcome.refusal_code == "refused_by_interceptor"
    assert connector.asked == []


# Every guard


class Lower(Guard):
    """Wants texts in lower case, and no `!`."""

    inline_characters = 10

    def __init__(self) -> None:
        super().__init__(GuardSettings(fields=("$.q", "$.r[*].s")))
        self.threads: set[int] = set()

    def look(self, text: str) -> str:
        self.threads.add(threading.get_ident())
        if "!" in text:
            raise Objection("is loud")
        return text.lower()


def ask(it: Guard, arguments: dict[str, Any]) -> Decision | None:
    view = Request(call_id="c", principal=a_principal(), tool=a_tool(), arguments=arguments)
    return asyncio.run(it.on_request(view))


def test_what_is_shown_is_never_changed_in_place() -> None:
    arguments = {"q": ["A", "b"], "r": [{"s": "C", "t": "D"}]}

    assert ask(Lower(), arguments) == Decision(
        arguments={"q": ["a", "b"], "r": [{"s": "c", "t": "D"}]},
        note="made plain: $.q[0], $.r[0].s",
    )
    assert arguments == {"q": ["A", "b"], "r": [{"s": "C", "t": "D"}]}


def test_calls_without_the_field_are_none_of_its_business() -> None:
    it = Lower()

    assert ask(it, {"t": "LOUD!"}) is None
    assert ask(it, {"q": None}) is None
    assert it.threads == set()


def test_a_call_with_much_to_look_at_is_looked_at_in_a_thread() -> None:
    it = Lower()

    assert ask(it, {"q": "short"}) is None
    assert it.threads == {threading.get_ident()}
    assert ask(it, {"q": ["long", "enough", "x!"]}) == Decision(refuse="The field $.q[2] is loud.")
    assert len(it.threads) == 2


def test_long_looks_take_no_thread_that_others_need() -> None:
    it, goes_on = Lower(), threading.Event()
    it.look = lambda text: str(goes_on.wait())  # type: ignore[method-assign]

    async def scenario() -> None:
        view = Request(
            call_id="c", principal=a_principal(), tool=a_tool(), arguments={"q": "long enough"}
        )
        looks = [asyncio.ensure_future(it.on_request(view)) for _ in range(40)]
        assert await asyncio.to_thread(lambda: "others go on") == "others go on"
        goes_on.set()
        await asyncio.gather(*looks)
        await it.close()

    asyncio.run(scenario())


def test_a_call_with_more_text_than_can_be_read_in_time_is_refused_unread() -> None:
    it = Lower()
    it.most_characters = 20

    assert ask(it, {"q": ["x" * 15, "y" * 6]}) == Decision(
        refuse="This call holds more than 20 characters to look at."
    )
    assert it.threads == set()


@pytest.mark.parametrize(
    "settings",
    [
        {"guard_sql": {"fields": ["$"], "kind": "value"}},
        {"guard_shell": {"fields": ["$"], "kind": "argument"}},
        {"guard_path": {"fields": ["$"], "roots": ["/data"]}},
        {"guard_path": {"fields": ["$"], "roots": ["/data"], "resolve": True}},
        {"guard_url": {"fields": ["$"], "resolve": False}},
    ],
)
def test_every_guard_bounds_what_it_reads_of_one_call(settings: dict[str, Any]) -> None:
    outcome, connector = run(attached(**settings), {"q": ["a" * 1_000] * 1_100})

    assert outcome.refusal_code == "refused_by_interceptor"
    assert outcome.reason.startswith("This call holds more than ")
    assert connector.asked == []


def test_a_call_with_too_many_texts_is_refused_unread() -> None:
    assert ask(Lower(), {"q": ["x"] * (MAX_TEXTS + 1)}) == Decision(
        refuse="This call holds more than 10000 texts to look at."
    )


def test_a_message_in_the_middle_of_a_call_is_changed_or_dropped() -> None:
    def pass_on(params: dict[str, Any]) -> Decision | None:
        view = Message(call_id="c", principal=a_principal(), tool=a_tool(), params=params)
        return asyncio.run(Lower().on_message(view))

    assert pass_on({"q": "A"}) == Decision(params={"q": "a"}, note="made plain: $.q")
    assert pass_on({"q": "!"}) == Decision(withhold="The field $.q is loud.")
