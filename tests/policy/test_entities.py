"""A principal becomes entities whose groups exist and whose claims are text."""

import json

from callgate.policy.entities import facts_of, tag_text
from callgate.policy.names import Names
from fakes.calls import a_principal


def test_every_parent_group_is_an_entity_too() -> None:
    facts = facts_of(a_principal("ada", "a", "b", "a"), Names())

    entities = {entity["uid"]["id"]: entity for entity in json.loads(facts.entities)}
    assert [parent["id"] for parent in entities["ada"]["parents"]] == ["a", "b"]
    assert {"ada", "a", "b", "main"} == entities.keys()
    assert facts.lineage.ancestors == {
        ("Callgate::OAuthUser", "ada"),
        ("Callgate::Group", "a"),
        ("Callgate::Group", "b"),
    }


def test_claims_become_text_tags_and_null_claims_none() -> None:
    facts = facts_of(a_principal(claims={"n": 5, "l": ["a"], "s": "x", "none": None}), Names())

    (entity, *_) = json.loads(facts.entities)
    assert entity["tags"] == {"n": "5", "l": '["a"]', "s": "x"}


def test_a_claim_cannot_become_an_entity_reference() -> None:
    assert tag_text({"__entity": {"type": "Group", "id": "x"}}).startswith('{"__entity"')
