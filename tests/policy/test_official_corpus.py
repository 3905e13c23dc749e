"""Cedar's own tests: the policies in scope answer as all of them do, and as Cedar's authors recorded.

The data is not part of Callgate: github.com/cedar-policy/cedar-integration-tests, looked for where
CALLGATE_CEDAR_TESTS says, else in `../shared/data/cedar-integration-tests`. With
CALLGATE_FULL_CORPUS=1 every file of the corpus is run, else those that a digest picks.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cedarpy
import pytest
from cedarpy import _internal
from msgspec.structs import replace

from callgate.model import Value
from callgate.policy.answers import Answer, answer_of, verdict_of
from callgate.policy.deciding import Deciding, without_levels
from callgate.policy.hoisting import hoisted, level
from callgate.policy.index import ScopeIndex
from callgate.policy.preview import documented, parsed
from callgate.policy.schema import RESERVED_KEYS, TEXT, Shape, record, required
from callgate.policy.source import Policy, read_policies
from fakes.ancestry import Ancestry, uid_of

ROOT = Path(__file__).parent.parent.parent
DATA = Path(
    os.environ.get("CALLGATE_CEDAR_TESTS")
    or ROOT.parent / "shared" / "data" / "cedar-integration-tests"
)
CORPUS = DATA / "corpus-tests.tar.gz"
IS_FULL = os.environ.get("CALLGATE_FULL_CORPUS") == "1"
ONE_IN = 13  # of the corpus' files, by their own digests: about 600
PARTS = ("json", "cedar", "cedarschema", "entities.json")

WRITTEN = sorted(path.relative_to(DATA).as_posix() for path in DATA.glob("tests/*/*.json"))
without_data = pytest.mark.skipif(
    not WRITTEN, reason=f"Cedar's integration tests are not in {DATA}; set CALLGATE_CEDAR_TESTS"
)
without_corpus = pytest.mark.skipif(
    not CORPUS.exists(), reason=f"Cedar's corpus is not at {CORPUS}; set CALLGATE_CEDAR_TESTS"
)


class Official(Value):
    """One file of tests, with all that it names."""

    name: str
    policies: str
    schema: str
    entities: str
    requests: list[dict[str, Any]]


class Tally(Value):
    """What was counted; `differences` is empty where all is well."""

    files: int = 0
    requests: int = 0
    allowed: int = 0
    erring: int = 0
    refused: int = 0  # Cedar allows, but a policy erred: Callgate refuses
    dropped: int = 0  # policies that a request was not asked of
    differences: tuple[str, ...] = ()

    def and_(self, other: Tally) -> Tally:
        return Tally(
            files=self.files + other.files,
            requests=self.requests + other.requests,
            allowed=self.allowed + other.allowed,
            erring=self.erring + other.erring,
            refused=self.refused + other.refused,
            dropped=self.dropped + other.dropped,
            differences=self.differences + other.differences,
        )


def policies_of(text: str) -> tuple[Policy, ...]:
    """By our own reader, under the names that Cedar gives to policies without one."""
    read = read_policies([("official", text)])
    return tuple(replace(policy, id=f"policy{number}") for number, policy in enumerate(read))


def left(policies: tuple[Policy, ...]) -> cedarpy.PolicySet:
    return documented({policy.id: Deciding.whole(policy).est for policy in policies})


def shape_of(context: Mapping[str, Any]) -> Shape:
    """Of a context in which everything is required that is there."""
    fields = {
        name: required(
            shape_of(value)
            if isinstance(value, dict) and not RESERVED_KEYS & value.keys()
            else TEXT
        )
        for name, value in context.items()
    }
    return record(**fields)


def asked_flat(
    policies: tuple[Policy, ...], asked: Mapping[str, Any], entities: cedarpy.Entities
) -> str:
    """The answer on the context without its levels."""
    context = json.loads(asked["context"])
    shape = shape_of(context)
    records = hoisted(shape, {chain for policy in policies for chain in policy.chains})
    lifted: dict[str, Any] = {}
    assert level(shape, records).lift(context, lifted)
    handle = documented(
        {
            policy.id: policy.est | {"conditions": list(flat.conditions)}
            for policy in policies
            for flat in (without_levels(Deciding.whole(policy), records),)
        }
    )
    request = {**asked, "context": json.dumps(lifted if records else context)}
    return str(_internal.is_authorized(request, handle, entities._inner, None, False))


def compared(case: Official) -> Tally:
    policies = policies_of(case.policies)
    index = ScopeIndex(policies)
    schema = cedarpy.Schema.from_str(case.schema)
    entities = cedarpy.Entities.from_json_str(case.entities, schema)
    whole = cedarpy.PolicySet.from_str(case.policies)
    ancestry = Ancestry(entities)
    tally = Tally(files=1)
    for request in case.requests:
        uids = {part: request[part] for part in ("principal", "action", "resource")}
        asked = {**uids, "context": json.dumps(request["context"])}
        in_force = schema if request.get("validateRequest", True) else None
        principal, action, resource = (ancestry.of(uid_of(uid)) for uid in uids.values())
        candidates = index.candidates(index.relevant(principal), principal, action, resource)
        raw = _internal.is_authorized(asked, parsed(candidates), entities._inner, in_force, False)
        bare = _internal.is_authorized(asked, left(candidates), entities._inner, in_force, False)
        full = _internal.is_authorized(asked, whole, entities._inner, in_force, False)
        name = f"{case.name}: {request['description']}"
        tally = tally.and_(weighed(name, request, raw, full, bare))
        plain = _internal.is_authorized(asked, parsed(candidates), entities._inner, None, False)
        flat = asked_flat(candidates, asked, entities)
        tally = tally.and_(Tally(differences=differing(name, flat, plain)))
        tally = tally.and_(Tally(dropped=len(policies) - len(candidates)))
    return tally


def weighed(name: str, request: Mapping[str, Any], raw: str, full: str, bare: str) -> Tally:
    """One request: our answer, that of all policies, that without scopes, and the recorded one."""
    ours = answer_of(raw)
    recorded = Answer(
        decision=request["decision"].capitalize(),
        reasons=frozenset(request["reason"]),
        failed=dict.fromkeys(request["errors"], ""),
    )
    verdict = verdict_of(raw, {}, "")
    is_clean = recorded.decision == "Allow" and not recorded.failed
    checks = {
        "ours is not that of all policies": ours == answer_of(full),
        "without their scopes they answer otherwise": ours == answer_of(bare),
        "ours is not as recorded": replace(ours, failed=dict.fromkeys(ours.failed, "")) == recorded,
        "the verdict is not fail-closed": verdict.is_permitted == is_clean,
    }
    return Tally(
        requests=1,
        allowed=recorded.decision == "Allow",
        erring=bool(recorded.failed),
        refused=recorded.decision == "Allow" and not verdict.is_permitted,
        differences=tuple(f"{name}: {what}: {ours}" for what, holds in checks.items() if not holds),
    )


def differing(name: str, flat: str, plain: str) -> tuple[str, ...]:
    """The words of errors may differ: they name attributes."""
    ours, theirs = (
        replace(one, failed=dict.fromkeys(one.failed, "")) for one in map(answer_of, (flat, plain))
    )
    return () if ours == theirs else (f"{name}: flat, it answers otherwise: {ours}, {theirs}",)


def total(cases: Iterable[Official]) -> Tally:
    tally = Tally()
    for case in cases:
        tally = tally.and_(compared(case))
    return tally


def written(name: str) -> Official:
    test = json.loads((DATA / name).read_text("utf-8"))
    text = {part: (DATA / test[part]).read_text("utf-8") for part in ("policies", "schema")}
    entities = (DATA / test["entities"]).read_text("utf-8")
    return Official(name=name, entities=entities, requests=test["requests"], **text)


def streamed(is_wanted: Callable[[str], bool]) -> Iterator[Official]:
    """The files of the corpus as they become whole; nothing is unpacked to disk."""
    waiting: dict[str, dict[str, str]] = {}
    with tarfile.open(CORPUS, "r|gz") as archive:
        for member in archive:
            name, _, part = Path(member.name).name.partition(".")
            if part not in PARTS or not is_wanted(name):
                continue
            file = archive.extractfile(member)
            assert file is not None
            parts = waiting.setdefault(name, {})
            parts[part] = file.read().decode()
            if len(parts) == len(PARTS):
                del waiting[name]
                yield Official(
                    name=name,
                    policies=parts["cedar"],
                    schema=parts["cedarschema"],
                    entities=parts["entities.json"],
                    requests=json.loads(parts["json"])["requests"],
                )
    assert not waiting, f"the corpus lacks parts of {sorted(waiting)}"


@without_data
def test_every_request_of_the_hand_written_tests_is_answered_as_recorded() -> None:
    assert total(written(name) for name in WRITTEN) == Tally(
        files=22, requests=74, allowed=38, dropped=21
    )


@without_corpus
@pytest.mark.skipif(IS_FULL, reason="CALLGATE_FULL_CORPUS=1: the whole corpus is run instead")
def test_a_sample_of_the_corpus_is_answered_as_recorded() -> None:
    tally = total(streamed(lambda name: int(name, 16) % ONE_IN == 0))

    assert tally.differences == ()
    assert tally.files > 500
    # Cases of every kind are among them, so that none of the comparisons is empty.
    assert min(tally.allowed, tally.requests - tally.allowed, tally.erring, tally.dropped) > 100


@without_corpus
@pytest.mark.skipif(not IS_FULL, reason="takes half a minute: set CALLGATE_FULL_CORPUS=1")
def test_the_whole_corpus_is_answered_as_recorded() -> None:
    # Nothing in it is allowed beside an error, so that failing closed changes none of its answers.
    assert total(streamed(lambda _: True)) == Tally(
        files=7809, requests=62472, allowed=37232, erring=3782, refused=0, dropped=7639
    )
