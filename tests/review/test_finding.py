"""What rules go by: calls by tool, flows by where they lead, and the time before."""

from callgate.review.finding import Scene, at, history_of
from callgate.review.flow import trace
from fakes.steps import a_step, run_of, structured


def test_a_scene_leaves_out_lists_and_questions_of_targets() -> None:
    run = run_of(
        a_step("crm___list", method="tools/list"),
        a_step("crm___get", {"id": 1}),
        a_step("elicitation/create", asked_in="c2"),
        a_step("crm___get", {"id": 2}),
    )
    scene = Scene(run)

    assert [step.number for step in scene.calls] == [2, 4]
    assert [step.number for step in scene.by_tool["crm___get"]] == [2, 4]
    assert scene.step(4).arguments == {"id": 2}


def test_flows_are_found_by_where_they_lead() -> None:
    run = run_of(
        a_step("crm___get", {}, structured(id="A-1002-XK")), a_step("x___y", {"id": "A-1002-XK"})
    )

    assert [flow.source for flow in Scene(run, trace(run).flows).flows_into[2]] == [1]


def test_a_definition_is_known_by_its_digest() -> None:
    step = a_step("crm___get")

    assert Scene([step], definitions={"sha-crm___get": {"name": "get"}}).definition(step) == {
        "name": "get"
    }
    assert Scene([step]).definition(step) is None


def test_a_history_knows_tools_receivers_and_the_latest_definitions() -> None:
    found = history_of(
        run_of(
            a_step("mail___send", {"to": "bob@example.com"}),
            a_step("mail___send", {"to": "#ops"}, sha256="newer"),
            a_step("mail___list", method="tools/list"),
        ),
        is_whole=False,
    )

    assert found.calls == 3
    assert not found.is_whole
    assert found.tools == {"mail___send"}
    assert found.recipients == {"bob@example.com", "#ops"}
    assert found.domains == {"example.com"}
    assert found.definitions == {"mail___send": "newer"}


def test_a_history_goes_on_from_what_was_before() -> None:
    before = history_of(run_of(a_step("mail___send", {"to": "bob@example.com"})), is_whole=False)
    found = history_of(run_of(a_step("crm___get", sha256="x")), before=before)

    assert found.calls == 2
    assert not found.is_whole
    assert found.tools == {"mail___send", "crm___get"}
    assert found.recipients == {"bob@example.com"}
    assert found.definitions == {"mail___send": "sha-mail___send", "crm___get": "x"}


def test_a_place_is_a_call_and_where_in_it() -> None:
    place = at(a_step("x___y", call="c9", number=3), "/to")

    assert (place.step, place.call, place.path, place.of) == (3, "c9", "/to", "arguments")
