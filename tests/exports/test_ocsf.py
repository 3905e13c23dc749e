from __future__ import annotations

import json
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from callgate.exports.ocsf import OCSF_VERSION, PROFILES, api_activity
from fakes.exported import ORIGIN, REFUSED, a_recorded_call, every_ending


@cache
def published() -> Any:
    """The schema of the class, as it was published, with our profiles."""
    schemas = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=OCSF_VERSION))
    schema = schemas.get_class_schema(class_name="api_activity", profiles=[*PROFILES])
    return jsonschema_rs.validator_for(json.loads(json.dumps(schema)))


@pytest.mark.parametrize("name", every_ending())
def test_every_call_is_an_event_of_the_published_schema(name: str) -> None:
    event = json.loads(json.dumps(api_activity(every_ending()[name], ORIGIN)))
    errors = [f"{error.instance_path}: {error.message}" for error in published().iter_errors(event)]
    assert errors == []


def test_the_schema_would_refuse_what_is_none() -> None:
    event = api_activity(a_recorded_call(), ORIGIN)
    assert not published().is_valid({**event, "class_uid": 6004})
    assert not published().is_valid({**event, "invented": 1})
    assert not published().is_valid({k: v for k, v in event.items() if k != "actor"})


def test_who_what_and_why_are_where_a_reader_of_ocsf_looks() -> None:
    event = api_activity(a_recorded_call(), ORIGIN)
    assert event["actor"]["user"]["uid"] == "lea"
    assert event["actor"]["app_name"] == "desk-agent"
    assert [one["policy"]["uid"] for one in event["actor"]["authorizations"]] == [
        "leads-run-the-shop",
        "support-serves-customers",
    ]
    assert event["api"]["operation"] == "shop___refund"
    assert event["api"]["request"]["data"]["amount"] == 480
    assert event["metadata"]["uid"] == f"{ORIGIN}/1/15"
    assert event["duration"] == 7
    assert event["trace"] == {"uid": "0af7651916cd43dd8448eb211c80319c"}
    assert [(one["name"], one["value"]) for one in event["enrichments"]] == [
        ("customers.tier", "gold"),
        ("customers.risk", "3"),
    ]


@pytest.mark.parametrize(
    ("call", "action", "disposition", "status"),
    [
        (a_recorded_call(changes=[]), "Allowed", "Allowed", "Success"),
        (a_recorded_call(), "Modified", "Allowed", "Success"),  # its result was redacted
        (a_recorded_call(**REFUSED), "Denied", "Blocked", "Failure"),
        (a_recorded_call(code="result_withheld", delivered=False), "Denied", "Withheld", "Failure"),
        (a_recorded_call(code="interrupted", ran="unknown"), "Unknown", "Unknown", "Unknown"),
    ],
)
def test_action_disposition_and_status_say_how_it_ended(
    call: dict[str, Any], action: str, disposition: str, status: str
) -> None:
    event = api_activity(call, ORIGIN)
    assert (event["action"], event["disposition"], event["status"]) == (action, disposition, status)


def test_arguments_that_were_changed_make_it_modified_and_only_observed_says_so() -> None:
    change = {"interceptor": "x", "phase": "request", "action": "changed", "seconds": 0.0}
    modified = api_activity(a_recorded_call(changes=[change]), ORIGIN)
    assert modified["action"] == "Modified"
    assert api_activity(every_ending()["completed, observed"], ORIGIN)["action"] == "Observed"
