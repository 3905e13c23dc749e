from typing import Any

import pytest

from callgate.model import Refused
from callgate.pipeline.locating import Place, Route, locate, shown_task
from callgate.pipeline.sealing import Seal
from fakes.calls import a_call, a_principal

SEAL = Seal(Seal.new_key())
TARGETS = ("git", "my_files")
ADA = a_principal("ada")


def located(method: str, name: str, route: str | None = None, /, **arguments: Any) -> Place:
    call = a_call(
        method=method, requested_name=name, route=route, arguments=arguments, principal=ADA
    )
    return locate(call, Route(target=route, targets=TARGETS), SEAL)


def refused(method: str, name: str, route: str | None = None, /, **arguments: Any) -> str:
    with pytest.raises(Refused) as caught:
        located(method, name, route, **arguments)
    return caught.value.code


def test_a_uri_names_its_target_on_the_aggregated_route() -> None:
    place = located("resources/read", "my..files+file:///a", uri="my..files+file:///a")

    assert place == Place(target="my_files", arguments={"uri": "file:///a"})


def test_a_uri_is_the_targets_own_on_its_route() -> None:
    place = located("resources/read", "git+ssh://a", "git", uri="git+ssh://a")

    assert place == Place(target="git", arguments={"uri": "git+ssh://a"})


def test_a_prompt_names_its_target() -> None:
    place = located("prompts/get", "git___review", name="git___review", arguments={"x": "1"})

    assert place == Place(target="git", arguments={"name": "review", "arguments": {"x": "1"}})


@pytest.mark.parametrize(
    ("said", "own", "target"),
    [
        ({"type": "ref/prompt", "name": "git___p"}, {"type": "ref/prompt", "name": "p"}, "git"),
        (
            {"type": "ref/resource", "uri": "git+a://{x}"},
            {"type": "ref/resource", "uri": "a://{x}"},
            "git",
        ),
    ],
)
def test_a_completion_goes_where_its_reference_leads(said: Any, own: Any, target: str) -> None:
    place = located("completion/complete", "completion/complete", ref=said, argument={})

    assert place == Place(target=target, arguments={"ref": own, "argument": {}})


def test_a_task_belongs_to_its_target_and_its_owner() -> None:
    shown = shown_task(SEAL, ADA.key, "git", "t1")

    assert located("tasks/get", shown, taskId=shown).arguments == {"taskId": "t1"}
    assert located("tasks/cancel", shown, "git", taskId=shown).target == "git"
    assert refused("tasks/get", shown, "my_files", taskId=shown) == "unknown_item"
    theirs = shown_task(SEAL, a_principal("eve").key, "git", "t1")
    assert refused("tasks/get", theirs, taskId=theirs) == "unknown_item"


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("resources/read", "file:///a"),
        ("resources/read", "other+file:///a"),
        ("prompts/get", "review"),
        ("prompts/get", "other___review"),
        ("tasks/get", "t1"),
    ],
)
def test_what_names_no_target_is_unknown(method: str, name: str) -> None:
    assert refused(method, name) == "unknown_item"


def test_a_tool_of_no_target_is_unknown() -> None:
    assert refused("tools/call", "nothing") == "unknown_tool"


def test_a_request_of_a_target_has_a_target() -> None:
    assert located("roots/list", "roots/list", "git").target == "git"
    assert refused("roots/list", "roots/list") == "unknown_item"


def test_a_malformed_reference_goes_to_the_only_target_whose_schema_refuses_it() -> None:
    assert located("completion/complete", "completion/complete", "git", ref=5).target == "git"
    assert refused("completion/complete", "completion/complete", ref=5) == "unknown_item"
