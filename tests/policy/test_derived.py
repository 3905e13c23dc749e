"""Facts stand beside the raw arguments, in the same places, and cost nothing unread."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.policy.context import Unrepresentable, build
from callgate.policy.derived import (
    SET_FACTS,
    STRING_FACTS,
    STRINGS_FACTS,
    TEXT_FACTS,
    derive,
    derived_shape,
)
from callgate.policy.engine import Engine, Question
from callgate.policy.inference import input_shape
from callgate.policy.names import Names
from callgate.policy.schema import context_shape
from callgate.policy.shapes import (
    LONG,
    STRINGS,
    Field,
    Kind,
    Shape,
    cut,
    optional,
    record,
    required,
)
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool
from fakes.cedar import decide

Json = Any
EDIT = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "line": {"type": "integer"}, "x": {}},
    "required": ["path"],
}
SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string"},
        "n": {"type": "integer"},
        "either": {"type": ["string", "integer"]},
        "paths": {"type": "array", "items": {"type": "string"}},
        "ns": {"type": "array", "items": {"type": "integer"}},
        "map": {"type": "object"},
        "edits": {"type": "array", "items": EDIT},
        "inner": {"type": "object", "properties": {"length": {"type": ["string", "null"]}}},
        "rows": {
            "type": "array",
            "items": {"type": "array", "items": {"type": ["string", "null"]}},
        },
    },
    "required": ["url"],
}
SHAPE = input_shape(SCHEMA)


def facts(value: Json, *chains: str) -> Json:
    """The facts at some dotted places, as a policy that reads just them gets them."""
    wanted = cut(derived_shape(SHAPE), [tuple(chain.split(".")) for chain in chains])
    return derive(wanted, SHAPE, value, "/input")


def test_records_and_unions_are_mirrored_and_facts_stand_at_their_leaves() -> None:
    each = record(path=required(STRINGS), line=required(Shape(kind=Kind.SET, items=LONG)))
    assert derived_shape(SHAPE) == record(
        url=required(STRING_FACTS),
        either=optional(record(string=optional(STRING_FACTS))),
        paths=optional(STRINGS_FACTS),
        ns=optional(SET_FACTS),
        map=optional(TEXT_FACTS),
        edits=optional(record(**TEXT_FACTS.fields, each=optional(each))),
        inner=optional(record(length=Field(shape=STRING_FACTS))),
        rows=optional(record(**TEXT_FACTS.fields, each=optional(STRINGS))),
    )


def test_only_what_is_read_is_computed() -> None:
    value = {"url": "https://a.example.com/x", "edits": "not even an array", "map": {}}

    assert facts(value, "url.host") == {"url": {"host": "a.example.com"}}
    assert facts(value, "url.instant", "map.count") == {"url": {}, "map": {"count": 0}}
    assert facts(value) == {}


def test_absent_and_null_arguments_have_no_facts() -> None:
    assert facts({"url": "", "inner": {"length": None}}, "inner.length", "ns") == {"inner": {}}
    assert facts({"url": ""}, "inner.length.length", "paths.count") == {}


def test_of_a_union_the_alternative_that_is_there_has_facts() -> None:
    assert facts({"either": "abc"}, "either.string.length") == {"either": {"string": {"length": 3}}}
    assert facts({"either": 5}, "either.string.length") == {"either": {}}


def test_a_map_has_keys_and_size() -> None:
    value = {"map": {"b": 1, "a": [None]}}

    assert facts(value, "map") == {"map": {"bytes": 18, "count": 2, "keys": ["b", "a"]}}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], {"count": 0, "escapes": False, "hosts": [], "domains": []}),
        (["/a/b/c", "/a/b/../b/d"], {"count": 2, "escapes": False, "common_path": "/a/b"}),
        (["/a/b", "/a/b"], {"count": 2, "escapes": False, "common_path": "/a/b"}),
        (["/a", "/b"], {"count": 2, "escapes": False, "common_path": "/"}),
        (["a", "b"], {"count": 2, "escapes": False, "common_path": "."}),
        (["a/x", "./a/y"], {"count": 2, "escapes": False, "common_path": "a"}),
        (["/a", "a"], {"count": 2, "escapes": False}),
        (["a", "../b"], {"count": 2, "escapes": True}),
        (["/a", ""], {"count": 2, "escapes": False}),
        (["a", ""], {"count": 2, "escapes": False}),
        (["..a/x", "..a/y"], {"count": 2, "escapes": False, "common_path": "..a"}),
    ],
)
def test_several_paths_have_what_they_share(texts: list[str], expected: Json) -> None:
    made = facts({"paths": texts}, "paths")["paths"]

    assert made == expected


def test_hosts_of_several_are_told_only_where_each_has_one() -> None:
    urls = ["https://a.example.com/x", "https://b.example.com", "https://a.example.com/y"]

    assert facts({"paths": urls}, "paths.hosts", "paths.domains")["paths"] == {
        "hosts": ["a.example.com", "b.example.com"],
        "domains": ["example.com"],
    }
    assert facts({"paths": [*urls, "http:evil.com"]}, "paths.hosts") == {"paths": {}}
    assert facts({"paths": urls * 1000}, "paths.hosts") == {"paths": {}}


def test_of_what_is_in_arrays_each_place_has_the_set_of_its_values() -> None:
    value = {
        "edits": [{"path": "a", "line": 1}, {"path": "b"}, {"path": "a", "x": 5}],
        "rows": [["a", None], [], ["b", "a"]],
    }

    assert facts(value, "edits.each", "rows.each") == {
        "edits": {"each": {"path": ["a", "b"], "line": [1]}},
        "rows": {"each": ["a", "b"]},
    }


def test_alternatives_in_arrays_are_apart() -> None:
    items = {"anyOf": [EDIT, {"type": "string"}]}
    shape = input_shape({"properties": {"x": {"type": "array", "items": items}}})
    wanted = cut(derived_shape(shape), [("x", "each")])

    assert derive(wanted, shape, {"x": ["s", {"path": "p"}, "t"]}, "") == {
        "x": {"each": {"string": ["s", "t"], "object": {"path": ["p"], "line": []}}}
    }


@pytest.mark.parametrize(
    ("value", "chain"),
    [
        ({"url": 5}, "url.length"),
        ({"url": None}, "url.length"),
        ({"either": []}, "either.string"),
        ({"paths": "/a"}, "paths.count"),
        ({"inner": []}, "inner.length"),
        ({"edits": [5]}, "edits.each.path"),
        ({"edits": [{"path": 5}]}, "edits.each.path"),
        ({"edits": [{"line": 2**63}]}, "edits.each.line"),
        ({"rows": ["a"]}, "rows.each"),
        ({"rows": [[5]]}, "rows.each"),
    ],
)
def test_what_is_not_as_the_schema_has_it_refuses_the_call_where_it_is_read(
    value: Json, chain: str
) -> None:
    with pytest.raises(Unrepresentable):
        facts(value, chain)

    assert facts(value) == {}


def test_policies_read_facts_with_the_types_that_the_documentation_names() -> None:
    value = {
        "url": "https://api.github.com:8443/repos/x",
        "paths": ["/data/a", "/data/b"],
        "map": {"k": 1},
        "edits": [{"path": "a"}],
    }
    whole = context_shape(SHAPE, {})
    conditions = [
        'context.derived.url has host && context.derived.url.host == "api.github.com"',
        'context.derived.url has domain && ["github.com"].contains(context.derived.url.domain)',
        "context.derived.url has port && context.derived.url.port > 1024",
        'context.derived.url has url_path && context.derived.url.url_path like "/repos/*"',
        "!(context.derived.url has ip && context.derived.url.ip.isLoopback())",
        "!(context.derived.url has instant && context.derived.url.instant < context.system.now)",
        "context has derived && context.derived.url.length < 100",
        'context.derived has paths && context.derived.paths has common_path && '
        'context.derived.paths.common_path like "/data*" && !context.derived.paths.escapes',
        'context.derived has map && context.derived.map has keys && '
        '["k", "l"].containsAll(context.derived.map.keys)',
        'context.derived has edits && context.derived.edits has each && '
        'context.derived.edits.each.path.contains("a")',
    ]  # fmt: skip

    assert decide(whole, build(whole, SHAPE, value, {}, 0.0), conditions) == conditions


CONFINED = """
@id("confined") permit(principal, action == Callgate::Action::"fs___read", resource) when {
  context.derived.path has path && context.derived.path.path like "/data/*" &&
  context.derived.path.escapes == false
};
@id("no-internal") forbid(principal, action == Callgate::Action::"fs___read", resource) when {
  context.input has proxy && !(context.derived has proxy && context.derived.proxy has host &&
    context.derived.proxy.host == "proxy.example.com")
};
"""


@pytest.mark.parametrize(
    ("arguments", "is_permitted"),
    [
        ({"path": "/data/a"}, True),
        ({"path": "/data/../etc/passwd"}, False),
        ({"path": "/data"}, False),
        ({"path": "/data/a", "proxy": "https://proxy.example.com:3128"}, True),
        ({"path": "/data/a", "proxy": "https://proxy.example.com\\@evil.com"}, False),
        ({"path": "/data/a", "proxy": "https://proxy.example.com@evil.com"}, False),
        ({"path": 5}, False),
    ],
)
def test_the_engine_decides_on_facts(arguments: Json, is_permitted: bool) -> None:
    schema = {"properties": {"path": {"type": "string"}, "proxy": {"type": "string"}}}
    tool = a_tool("fs", "read", {**schema, "required": ["path"]})
    engine = Engine(read_policies([("p", CONFINED)]), Names())
    ada = a_principal()
    question = Question(principal=ada, tool=tool, arguments=arguments, enriched={}, now=0.0)

    assert engine.authorize(question).is_permitted == is_permitted
    assert engine.is_listed(ada, tool, 0.0)
