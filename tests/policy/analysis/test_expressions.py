"""What a policy means to the solver is what Cedar says of it, request by request."""

import random
from collections.abc import Iterator
from typing import Any

import pytest

from callgate.model import Principal
from callgate.policy.account import State
from callgate.policy.analysis.asking import permitted
from callgate.policy.analysis.compare import Relation
from callgate.policy.analysis.differing import compared
from callgate.policy.analysis.environments import changed_environments
from callgate.policy.analysis.findings import Subject
from callgate.policy.analysis.meaning import Compiler
from callgate.policy.analysis.replay import Replay
from callgate.policy.analysis.solving import Answer, Solver
from callgate.policy.analysis.symbols import Symbols
from callgate.policy.analysis.terms import negation
from callgate.policy.engine import Engine, Question
from callgate.policy.names import Names
from callgate.policy.source import read_policies
from fakes.calls import a_principal, a_tool
from fakes.pinned import pinned

NAMES = Names()
ENRICHMENTS = {"risk": {"score": "integer", "tier": "string", "rate": "decimal"}}
BIG = 2**63 - 1
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "s": {"type": "string"},
        "t": {"type": "string"},
        "n": {"type": "integer"},
        "m": {"type": "integer"},
        "d": {"type": "number"},
        "b": {"type": "boolean"},
        "x-y z": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "more": {"type": "array", "items": {"type": "string"}},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "free": {"type": "object"},
        "either": {"type": ["string", "integer", "null"]},
        "maybe": {"type": ["string", "null"]},
        "url": {"type": "string"},
        "deep": {
            "type": "object",
            "properties": {
                "inner": {"type": "object", "properties": {"k": {"type": "integer"}}},
                "l": {"type": "string"},
            },
            "required": ["l"],
        },
    },
    "required": ["s", "n", "m", "d", "b", "tags"],
}
TOOL = a_tool("shop", "refund", SCHEMA)

CONDITIONS = [
    # Long, with its overflow.
    "context.input.n < 10",
    "context.input.n <= context.input.m",
    "context.input.n > -5 && context.input.n >= 5",
    "context.input.n + context.input.m == 30",
    "context.input.n + 1 > 0",
    "context.input.n - context.input.m < 0",
    "context.input.n * 100 > 500",
    "-context.input.n == 9223372036854775807",
    "-(context.input.n) < context.input.m",
    "context.input.n * context.input.m == 200",
    "9223372036854775807 + 0 == context.input.n",
    "context.input.n < 0 || context.input.n + 9223372036854775800 > 0",
    "if context.input.b then context.input.n + 1 > 0 else context.input.m == 20",
    "(if context.input.b then context.input.n else context.input.m) == 20",
    "!context.input.b",
    "context.input.b == (context.input.n == 5)",
    "context.input.n != 5",
    # String and like.
    'context.input.s == "abc"',
    "context.input has t && context.input.s == context.input.t",
    'context.input.s like "a*"',
    'context.input.s like "*c"',
    'context.input.s like "*b*"',
    'context.input.s like "a*c"',
    'context.input.s like "a\\*c"',
    'context.input.s like "*a*b*c*"',
    'context.input.s like ""',
    'context.input.s like "*"',
    'context.input.s like "é*\\u{1F600}"',
    'context.input.s like "*\\\\*"',
    'context.input.s == "a\\u{0}b" || context.input.s like "*\\n*"',
    # has, records, optional attributes.
    "context.input has t",
    'context.input has t && context.input.t == "abc"',
    "context.input has deep.inner.k && context.input.deep.inner.k > 3",
    'context.input has deep && context.input.deep.l like "x*"',
    'context.input has "x-y z" && context.input["x-y z"] > 3',
    "context.input has deep && context.input.deep has inner && !(context.input.deep.inner has k)",
    '{"a": context.input.n, "b": "x"} == {"a": 5, "b": context.input.s}',
    '(if context.input.b then {"a": 1} else {"a": context.input.n}).a == 5',
    # Sets.
    'context.input.tags.contains("red")',
    "context.input.tags.contains(context.input.s)",
    'context.input.tags.containsAll(["red", "blue"])',
    'context.input.tags.containsAny(["red", "blue"])',
    "context.input.tags.isEmpty()",
    '["red", "blue"].containsAll(context.input.tags)',
    '["red", "blue"] == context.input.tags',
    '["red", "abc", "a"].contains(context.input.s)',
    "context.input has more && context.input.tags.containsAll(context.input.more)",
    "context.input has more && context.input.more.containsAny(context.input.tags)",
    "context.input has more && context.input.more == context.input.tags",
    "context.input has ids && context.input.ids.contains(context.input.n + 1)",
    "context.input has ids && context.input.ids.containsAny([1, 2, context.input.n])",
    "[context.input.n, 5].containsAll([context.input.m])",
    '(if context.input.b then context.input.tags else [context.input.s]).contains("red")',
    '[["a"], ["red"]].contains([context.input.s])',
    # decimal.
    'context.input.d.lessThan(decimal("1.5"))',
    'context.input.d.greaterThanOrEqual(decimal("-0.0001"))',
    'context.input.d.lessThanOrEqual(decimal("1.5")) && context.input.d.greaterThan(decimal("0.0"))',
    'context.input.d == decimal("1.5")',
    '[decimal("1.5"), decimal("2.0")].contains(context.input.d)',
    # datetime and duration.
    'context.system.now < datetime("2026-06-01")',
    'context.system.now >= datetime("2026-01-31T10:00:00.123+0130")',
    'context.system.now.toDate() == datetime("2026-01-31")',
    'context.system.now.toTime() > duration("9h30m")',
    'context.system.now.offset(duration("-1d2h")) < datetime("2026-01-31")',
    'context.system.now.durationSince(datetime("2026-01-31")).toHours() == 10',
    'datetime("2026-01-31").durationSince(context.system.now).toDays() == 0',
    'datetime("2026-01-31").durationSince(context.system.now).toMinutes() < -5',
    'context.system.now.durationSince(datetime("1970-01-01")).toSeconds() > 1000',
    'context.system.now.offset(duration("9223372036854775807ms")) > datetime("2026-01-31")',
    'context.system.now.durationSince(datetime("2026-01-31")).toMilliseconds() > 5',
    'duration("1d") == duration("24h") && duration("-1s") < duration("1ms")',
    # ipaddr.
    'ip("10.1.2.3").isInRange(ip("10.0.0.0/8")) && context.input.b',
    'ip("10.1.2.3/4").isInRange(ip("10.0.0.0/8")) || context.input.b',
    'ip("::1").isLoopback() && !ip("10.0.0.1").isLoopback() && ip("ff02::1").isMulticast()',
    'ip("10.0.0.1/32") == ip("10.0.0.1") && ip("10.0.0.1/24") != ip("10.0.0.0/24")',
    'ip("::1").isIpv6() && !ip("::1").isIpv4() && !ip("::1").isInRange(ip("0.0.0.0/0"))',
    "context.derived has url.ip && context.derived.url.ip.isIpv4()",
    'context.derived has url.ip && context.derived.url.ip.isInRange(ip("10.0.0.0/8"))',
    'context.derived has url.ip && context.derived.url.ip == ip("10.0.0.0/16")',
    "context.derived has url.ip && (context.derived.url.ip.isLoopback() || context.derived.url.ip.isMulticast())",
    # Facts.
    'context.derived has url.host && context.derived.url.host == "example.com"',
    'context.derived has url.domain && context.derived.url.domain like "*.com"',
    'context.derived has url.host && context.derived.url.host == "example.com" && context.derived.url has domain',
    'context.derived has url.domain && context.derived.url.domain == "example.com" && context.derived.url has host',
    "context.derived.s.length > 3",
    "context.derived.s.bytes > context.derived.s.length",
    'context.derived.s has path && context.derived.s.path like "/a/*" && context.derived.s has escapes && !context.derived.s.escapes',
    "context.derived.tags.count > 1",
    # Principals, groups, claims.
    'principal == Callgate::OAuthUser::"ada"',
    'principal != Callgate::OAuthUser::"ada"',
    'principal in Callgate::Group::"staff"',
    'principal in [Callgate::Group::"staff", Callgate::Group::"ops"]',
    "principal is Callgate::UnauthenticatedUser",
    'principal is Callgate::OAuthUser in Callgate::Group::"ops"',
    'principal.id == "ada" && principal.issuer like "https://*"',
    'principal has tenant && principal.tenant == "acme"',
    "principal has agent",
    "principal.id == context.input.s",
    'principal.hasTag("role")',
    'principal.hasTag("role") && principal.getTag("role") == "admin"',
    'principal.hasTag(context.input.s) && principal.getTag(context.input.s) == "admin"',
    'principal.hasTag("role") && principal.hasTag(context.input.s) && principal.getTag("role") == principal.getTag(context.input.s)',
    'Callgate::OAuthUser::"ada" in Callgate::Group::"staff"',
    'Callgate::Group::"staff" in Callgate::Group::"ops" || context.input.b',
    'principal is Callgate::OAuthUser && (if context.input.b then principal else Callgate::OAuthUser::"eve") in Callgate::Group::"ops"',
    'Callgate::OAuthUser::"ada" has tenant',
    'resource == Callgate::Gateway::"main" && context.input.b',
    'action == Callgate::Action::"shop___refund" && action in Callgate::Action::"Mcp"',
    'action in [Callgate::Action::"git", Callgate::Action::"CallTool"]',
    'action == Callgate::Action::"git___log" || context.input.n == 5',
    # The rest of the context.
    'context.meta.extra.contains("zz")',
    "context.meta.extra.isEmpty()",
    'context.meta.nulls.contains("maybe")',
    "context.meta.nulls.isEmpty() && context.meta.extra.isEmpty()",
    'context.input has maybe && context.input.maybe == "abc"',
    "context.enriched.risk has score && context.enriched.risk.score > 5",
    'context.enriched.risk has tier && context.enriched.risk.tier == "high"',
    'context.enriched.risk has rate && context.enriched.risk.rate.lessThan(decimal("0.5"))',
    'context.input has free && context.input.free.json like "*secret*"',
    'context.input has free && context.input.free.kind == "object"',
    'context.input has either.string && context.input.either.string == "abc"',
    "context.input has either.integer && context.input.either.integer > 3",
    # Errors that && and || skip, or do not.
    "context.input.n == 5 && context.input.n + 9223372036854775807 > 0",
    "context.input.n + 9223372036854775807 > 0 && context.input.n == 5",
    "context.input.b || context.input.n + 9223372036854775807 > 0",
]
SCOPES = [
    "principal",
    'principal == Callgate::OAuthUser::"ada"',
    'principal in Callgate::Group::"staff"',
    "principal is Callgate::UnauthenticatedUser",
    'principal is Callgate::OAuthUser in Callgate::Group::"staff"',
]
POLICIES = read_policies(
    [
        (
            "all.cedar",
            "\n".join(
                [
                    *(
                        f'@id("when {n}") permit(principal, action, resource) when {{ {text} }};'
                        for n, text in enumerate(CONDITIONS)
                    ),
                    *(
                        f'@id("unless {n}") forbid({SCOPES[n % len(SCOPES)]}, action, resource)'
                        f" unless {{ {text} }} when {{ context.input.m < 100 }};"
                        for n, text in enumerate(CONDITIONS)
                        if n % 4 == 0
                    ),
                ]
            ),
        )
    ]
)
STRINGS = [
    "abc",
    "a",
    "ac",
    "a*c",
    "",
    "role",
    "a\\*c",
    "é\U0001f600",
    "a\x00b",
    "x\ny",
    "xabbc",
    "zz",
    "/a/b",
    "/a/../b",
]
URLS = [
    "https://example.com/x",
    "http://10.0.1.2/",
    "10.0.0.0/16",
    "http://[::1]/",
    "no url",
    "a@b.example.com",
    "http://127.0.0.1",
]
NUMBERS = [0, 5, -5, 4, 10, 20, 25, BIG, -BIG - 1, 7]


def requests(seed: int) -> Iterator[Question]:
    pick = random.Random(seed)
    while True:
        yield Question(
            principal=_principal(pick),
            tool=TOOL,
            arguments=_arguments(pick),
            enriched=pick.choice([{}, {"risk": {"score": 7, "tier": "high", "rate": 0.25}}]),
            now=pick.choice([1_769_853_600.123, 1_769_817_600.0, 1_790_000_000.5, 1000.0]),
        )


def _principal(pick: random.Random) -> Principal:
    return a_principal(
        pick.choice(["ada", "eve", "abc"]),
        *pick.sample(["staff", "ops", "other"], pick.randint(0, 2)),
        kind=pick.choice(["jwt", "anonymous"]),
        claims=pick.choice([{}, {"role": "admin"}, {"role": "x", "abc": "admin", "n": 1}]),
        tenant=pick.choice([None, "acme", "other"]),
        agent=pick.choice([None, "bot"]),
    )


def _arguments(pick: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {
        "s": pick.choice(STRINGS),
        "n": pick.choice(NUMBERS),
        "m": pick.choice(NUMBERS),
        "d": pick.choice([1.5, 0, -0.0001, 2, 1.4999]),
        "b": pick.choice([True, False]),
        "tags": pick.sample(["red", "blue", "abc", "green"], pick.randint(0, 3)),
    }
    optional: dict[str, Any] = {
        "t": pick.choice(STRINGS),
        "x-y z": pick.choice(NUMBERS),
        "more": pick.sample(["red", "blue", "abc"], pick.randint(0, 3)),
        "ids": pick.sample([1, 6, 5, 11], pick.randint(0, 3)),
        "free": pick.choice([{}, {"a": "secret"}, {"b": [1]}]),
        "either": pick.choice(["abc", 7, None]),
        "maybe": pick.choice(["abc", None]),
        "url": pick.choice(URLS),
        "deep": pick.choice([{"l": "xy"}, {"l": "y", "inner": {}}, {"l": "", "inner": {"k": 7}}]),
        "zz": 1,
    }
    return made | {k: v for k, v in optional.items() if pick.random() < 0.6}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.text.partition("when")[2])
def test_the_solver_and_cedar_say_the_same_of_a_policy(policy: Any) -> None:
    subject = Subject(policies=(policy,), tools=(TOOL,), names=NAMES, enrichments=ENRICHMENTS)
    replay = Replay(subject)

    for question, _ in zip(requests(len(policy.id)), range(6), strict=False):
        symbols = Symbols(TOOL, NAMES, ENRICHMENTS)
        meaning = Compiler(symbols).policy(policy)
        rules = pinned(symbols, question)
        solver = Solver(rules, 5.0)
        expected = replay.state(policy, question)
        assert meaning.problem == ""
        is_satisfied = [
            solver.ask([meaning.is_satisfied]),
            solver.ask([negation(meaning.is_satisfied)]),
        ]
        is_failing = [solver.ask([meaning.is_failing]), solver.ask([negation(meaning.is_failing)])]
        assert is_satisfied == _only(expected is State.SATISFIED), question
        assert is_failing == _only(expected is State.FAILED), question


def _only(truth: bool) -> list[Answer]:
    return [Answer.YES, Answer.NO] if truth else [Answer.NO, Answer.YES]


@pytest.mark.parametrize("seed", range(8))
def test_the_solver_and_the_engine_say_the_same_of_a_whole_set(seed: int) -> None:
    pick = random.Random(seed)
    policies = tuple(pick.sample(POLICIES, 12))
    engine = Engine(policies, NAMES, ENRICHMENTS)

    for question, _ in zip(requests(seed), range(5), strict=False):
        symbols = Symbols(TOOL, NAMES, ENRICHMENTS)
        compiler = Compiler(symbols)
        allowed = permitted([compiler.policy(policy) for policy in policies])
        solver = Solver(pinned(symbols, question), 5.0)
        verdict = engine.authorize(question).is_permitted
        assert [solver.ask([allowed]), solver.ask([negation(allowed)])] == _only(verdict), question


def test_two_sets_that_are_proven_alike_decide_alike() -> None:
    pick, alike = random.Random(1), 0
    for _ in range(30):
        whole = tuple(pick.sample(POLICIES, 6))
        part = whole[:-1]
        subject = Subject(policies=whole, tools=(TOOL,), names=NAMES, enrichments=ENRICHMENTS)
        (environment,) = changed_environments(subject, part)
        differing = compared(subject, environment, 5.0).differing
        alike += not differing
        engines = [Engine(policies, NAMES, ENRICHMENTS) for policies in (whole, part)]
        types = {one.principal_type for one in differing}
        for question, _ in zip(requests(pick.randint(0, 99)), range(25), strict=False):
            verdicts = {engine.authorize(question).is_permitted for engine in engines}
            name = NAMES.ANONYMOUS if question.principal.kind == "anonymous" else NAMES.USER
            assert len(verdicts) == 1 or name in types, question
        assert all(one.relation is not Relation.UNDECIDED for one in differing), differing
    assert 0 < alike < 30
