"""Cedar policies of Amazon Bedrock AgentCore, as they stand there, decide as they do there.

The statements follow what AWS documents and its samples show: its namespace, the gateway's ARN as
resource, `Target___tool` actions in groups of targets, claims of a token as tags of type String.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callgate.protocol.refusals import META_KEY
from fakes.apart import apart
from fakes.forking import finished
from fakes.issuer import FakeIssuer, a_token, running_issuer
from fakes.running import Running, fetch, running

pytestmark = pytest.mark.e2e

ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/underwriting-x1y2z3"
OTHER_ARN = "arn:aws:bedrock-agentcore:us-east-1:123456789012:gateway/another-a1b2c3"
CONFIG = """
gateway: {{namespace: AgentCore, name: "{arn}", refusals: {refusals}}}
identity:
  jwt: [{{issuer: "{issuer}", audience: [underwriting], algorithms: [ES256]}}]
targets:
  ApplicationTool: {{python: application_tool}}
  RiskModelTool: {{python: risk_model_tool}}
  ApprovalTool: {{python: approval_tool}}
  RefundTool: {{python: refund_tool}}
policies: {{files: ["*.cedar"]}}
"""
MODULES = {
    "application_tool__py": '''
def create_application(applicant_region: str, coverage_amount: int) -> str:
    """Create an insurance application."""
    return f"created in {applicant_region}"
''',
    "risk_model_tool__py": '''
def invoke_risk_model(API_classification: str, data_governance_approval: bool) -> str:
    """Invoke the risk model."""
    return "scored"
''',
    "approval_tool__py": '''
def approve_underwriting(claim_amount: int, risk_level: str) -> str:
    """Approve underwriting."""
    return "approved"
''',
    "refund_tool__py": '''
def process_refund(amount: int, order_id: str = "") -> str:
    """Process a refund."""
    return "refunded"

def quote_refund(amount: float) -> str:
    """Say what a refund would cost."""
    return "quoted"
''',
}
ABAC = """
permit (principal,
    action == AgentCore::Action::"ApplicationTool___create_application",
    resource == AgentCore::Gateway::"ARN")
when {
    principal.hasTag("department_name") &&
    principal.getTag("department_name") == "finance" &&
    context.input.coverage_amount <= 1000000
};

permit (principal is AgentCore::OAuthUser,
    action == AgentCore::Action::"RiskModelTool___invoke_risk_model",
    resource == AgentCore::Gateway::"ARN")
when { principal.hasTag("groups") && principal.getTag("groups") like "*underwriters*" }
unless { context.input.API_classification == "restricted" };

permit (principal,
    action == AgentCore::Action::"ApprovalTool___approve_underwriting",
    resource == AgentCore::Gateway::"ARN")
when { principal.id == "client-7f3a" };
""".replace("ARN", ARN)
APPLICATION, RISK = "ApplicationTool___create_application", "RiskModelTool___invoke_risk_model"
APPROVAL, REFUND = "ApprovalTool___approve_underwriting", "RefundTool___process_refund"


class World:
    """A gateway whose policies are changed as tests go, and the issuer of its tokens."""

    def __init__(self, gateway: Running, issuer: FakeIssuer) -> None:
        self.gateway = gateway
        self.issuer = issuer

    def adopt(self, **files: str) -> None:
        """Takes these policy files in place of those before."""
        for file in self.gateway.directory.glob("*.cedar"):
            file.unlink()
        for name, text in files.items():
            (self.gateway.directory / f"{name}.cedar").write_text(text)
        status, told = fetch(f"{self.gateway.control}/api/v1/reload", b"")
        assert status == 200, told

    def call(self, tool: str, claims: dict[str, Any] | None = None, /, **arguments: Any) -> str:
        """`ok`, or the code of the refusal."""
        answer = self.answer(tool, claims, **arguments)
        refusal = answer["result"].get("_meta", {}).get(META_KEY)
        return refusal["code"] if refusal else "ok"

    def answer(self, tool: str, claims: dict[str, Any] | None = None, /, **arguments: Any) -> Any:
        params = {"name": tool, "arguments": arguments}
        return self.gateway.post("tools/call", params, Authorization=self.bearer(claims))[1]

    def listed(self, claims: dict[str, Any] | None = None) -> set[str]:
        _, answer = self.gateway.post("tools/list", Authorization=self.bearer(claims))
        return {tool["name"] for tool in answer["result"]["tools"]}

    def bearer(self, claims: dict[str, Any] | None) -> str:
        base = {"iss": self.issuer.url, "aud": "underwriting", "sub": "client-1", "exp": 4102444800}
        return f"Bearer {a_token({**base, **(claims or {})})}"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory, apart(running_issuer()) as issuer:
        config = CONFIG.format(arn=ARN, issuer=issuer.url, refusals="tool_result")
        with running(Path(directory), config, abac__cedar=ABAC, **MODULES) as gateway:
            assert gateway.control
            yield World(gateway, issuer)


FINANCE = {"department_name": "finance"}
APPLICATION_OF = {"applicant_region": "US", "coverage_amount": 750_000}
SCORING = {"API_classification": "internal", "data_governance_approval": True}
APPROVING = {"claim_amount": 5000, "risk_level": "low"}


@pytest.mark.parametrize(
    ("tool", "claims", "arguments", "expected"),
    [
        (APPLICATION, FINANCE, APPLICATION_OF, "ok"),
        (APPLICATION, {"department_name": "engineering"}, APPLICATION_OF, "not_permitted"),
        (APPLICATION, FINANCE, {**APPLICATION_OF, "coverage_amount": 1_500_000}, "not_permitted"),
        (RISK, {"groups": ["admins", "underwriters"]}, SCORING, "ok"),
        (RISK, {"groups": ["developers", "team-alpha"]}, SCORING, "not_permitted"),
        (
            RISK,
            {"groups": ["underwriters"]},
            {**SCORING, "API_classification": "restricted"},
            "not_permitted",
        ),
        (APPROVAL, {"sub": "client-7f3a"}, APPROVING, "ok"),
        (APPROVAL, {"sub": "client-0000"}, APPROVING, "not_permitted"),
    ],
)
def test_attributes_of_the_token_and_arguments_decide_together(
    world: World, tool: str, claims: Any, arguments: Any, expected: str
) -> None:
    world.adopt(abac=ABAC)

    assert world.call(tool, claims, **arguments) == expected


def test_a_claim_that_the_token_does_not_carry_permits_nothing(world: World) -> None:
    world.adopt(abac=ABAC)

    assert world.call(APPLICATION, {}, **APPLICATION_OF) == "not_permitted"
    assert world.call(RISK, {}, **SCORING) == "not_permitted"


REFUNDS = f"""
permit(
  principal,
  action == AgentCore::Action::"RefundTool___process_refund",
  resource == AgentCore::Gateway::"{ARN}"
)
when {{
  context.input.amount < 1000
}};
"""


def test_the_refund_sample_permits_less_than_1000(world: World) -> None:
    world.adopt(refund_policy=REFUNDS)

    outcomes = {amount: world.call(REFUND, amount=amount) for amount in (500, 999, 1000, 2000)}

    assert outcomes == {500: "ok", 999: "ok", 1000: "not_permitted", 2000: "not_permitted"}
    assert world.listed() == {REFUND}


def statement(head: str, conditions: str = "") -> str:
    return f"{head.replace('ARN', ARN)} {conditions};\n"


ANY_REFUND = 'permit (principal, action == AgentCore::Action::"RefundTool___process_refund", resource == AgentCore::Gateway::"ARN")'
ANY_TOOL = "permit (principal, action, resource is AgentCore::Gateway)"


@pytest.mark.parametrize(
    ("policy", "claims", "expected"),
    [
        # Claims are Strings; what is a list or a number in the token is its JSON text.
        (
            statement(ANY_REFUND, 'when { principal.hasTag("cognito:groups") && principal.getTag("cognito:groups") like "*policyholders*" }'),
            {"cognito:groups": ["policyholders", "x"]},
            "ok",
        ),
        (
            statement(ANY_REFUND, 'when { principal.hasTag("cognito:groups") && principal.getTag("cognito:groups") like "*policyholders*" }'),
            {"cognito:groups": ["x"]},
            "not_permitted",
        ),
        (
            statement(ANY_REFUND, 'when { principal.hasTag("scope") && principal.getTag("scope") like "*refund:write*" }'),
            {"scope": "openid refund:write"},
            "ok",
        ),
        (
            statement(ANY_REFUND, 'when { principal.hasTag("level") && principal.getTag("level") == "7" }'),
            {"level": 7},
            "ok",
        ),
        (
            statement(ANY_REFUND, 'when { principal.hasTag("role") } unless { principal.getTag("role") == "guest" }'),
            {"role": "guest"},
            "not_permitted",
        ),
        # Scopes: one principal, a kind of principal, a target's group, all tools.
        (statement(ANY_REFUND.replace("principal,", 'principal == AgentCore::OAuthUser::"client-1",')), {}, "ok"),
        (statement(ANY_REFUND.replace("principal,", 'principal == AgentCore::OAuthUser::"client-2",')), {}, "not_permitted"),
        (statement(ANY_REFUND.replace("principal,", "principal is AgentCore::OAuthUser,")), {}, "ok"),
        (statement(ANY_REFUND.replace("principal,", "principal is AgentCore::IamEntity,")), {}, "not_permitted"),
        (statement('permit (principal, action in AgentCore::Action::"RefundTool", resource == AgentCore::Gateway::"ARN")'), {}, "ok"),
        (statement('permit (principal, action in AgentCore::Action::"ApprovalTool", resource == AgentCore::Gateway::"ARN")'), {}, "not_permitted"),
        (statement('permit (principal, action in AgentCore::Action::"CallTool", resource == AgentCore::Gateway::"ARN")'), {}, "ok"),
        (statement('permit (principal, action in AgentCore::Action::"Mcp", resource == AgentCore::Gateway::"ARN")'), {}, "ok"),
        (statement('permit (principal, action in [AgentCore::Action::"RefundTool___process_refund", AgentCore::Action::"RefundTool___quote_refund"], resource == AgentCore::Gateway::"ARN")'), {}, "ok"),
        (statement(ANY_TOOL), {}, "ok"),
        # Default refuse, and a forbid wins.
        ("// nothing yet\n", {}, "not_permitted"),
        (statement(ANY_TOOL) + statement(ANY_REFUND.replace("permit", "forbid")), {}, "not_permitted"),
        (
            statement(ANY_TOOL) + statement(
                'forbid (principal, action in AgentCore::Action::"RefundTool", resource == AgentCore::Gateway::"ARN")',
                'when { !(principal.hasTag("department") && principal.getTag("department") == "billing") }',
            ),
            {"department": "billing"},
            "ok",
        ),
        # Times.
        (statement(ANY_REFUND, 'when { context.system.now > datetime("2025-01-01T00:00:00Z") }'), {}, "ok"),
        (statement(ANY_REFUND, 'when { context.system.now < datetime("2025-01-01T00:00:00Z") }'), {}, "not_permitted"),
        # Optional arguments.
        (statement(ANY_REFUND, 'when { context.input has order_id && context.input.order_id like "ORD-*" }'), {}, "not_permitted"),
    ],
)  # fmt: skip
def test_a_statement_decides_as_it_does_there(
    world: World, policy: str, claims: Any, expected: str
) -> None:
    world.adopt(policy=policy)

    assert world.call(REFUND, claims, amount=500) == expected


def test_numbers_are_decimals(world: World) -> None:
    quote = ANY_REFUND.replace("process_refund", "quote_refund")
    limit = 'when { context.input.amount.lessThan(decimal("1000.0")) }'
    world.adopt(policy=statement(quote, limit))

    amounts = {amount: world.call("RefundTool___quote_refund", amount=amount) for amount in
               (999.99, 999.9999, 1000, 1000.0001, 0.00001)}  # fmt: skip

    assert amounts == {
        999.99: "ok",
        999.9999: "ok",
        1000: "not_permitted",
        1000.0001: "not_permitted",
        0.00001: "not_permitted",  # there it is cut to four digits; here no digit is lost
    }


def test_a_file_may_hold_many_statements_and_policies_may_have_a_file_each(world: World) -> None:
    world.adopt(
        many=ABAC + REFUNDS, one=statement(ANY_REFUND, "when { context.input.amount == 5000 }")
    )

    assert world.call(REFUND, amount=500) == "ok"
    assert world.call(REFUND, amount=5000) == "ok"
    assert world.call(APPLICATION, FINANCE, **APPLICATION_OF) == "ok"


def test_a_list_shows_what_some_circumstances_would_permit(world: World) -> None:
    world.adopt(abac=ABAC, refunds=REFUNDS)

    assert world.listed(FINANCE) == {APPLICATION, REFUND}
    assert world.listed({"groups": ["underwriters"]}) == {RISK, REFUND}
    assert world.listed({"sub": "client-7f3a"}) == {APPROVAL, REFUND}


def test_a_policy_for_another_gateway_does_not_decide_here(world: World) -> None:
    file = world.gateway.directory / "other.cedar"
    world.adopt(refunds=REFUNDS)
    file.write_text(REFUNDS.replace(ARN, OTHER_ARN).replace("permit(", '@id("other") permit('))

    status, told = fetch(f"{world.gateway.control}/api/v1/reload", b"")

    assert status == 422
    assert f'the gateway is called \\"{ARN}\\"' in json.dumps(told)
    file.unlink()


@pytest.mark.parametrize(
    ("policy", "problem"),
    [
        (REFUNDS.replace("process_refund", "nonExistentTool"), "nonExistentTool"),
        (REFUNDS.replace("amount <", "amuont <"), "amuont"),
        (REFUNDS.replace("< 1000", '< "1000"'), "does not fit RefundTool___process_refund"),
        (REFUNDS.replace("when {", "when temporal {"), "temporal"),
        (REFUNDS.replace("when {", "when guardrails {"), "guardrail"),
        (REFUNDS.replace("permit(", "suppressOutput("), "suppressOutput"),
        (REFUNDS.replace("AgentCore::Action", "Action"), "Action"),
    ],
)
def test_what_would_be_refused_or_ineffective_there_is_not_taken_here(
    world: World, policy: str, problem: str
) -> None:
    world.adopt(refunds=REFUNDS)
    file = world.gateway.directory / "refunds.cedar"
    file.write_text(policy)

    status, told = fetch(f"{world.gateway.control}/api/v1/reload", b"")

    assert status == 422 and problem in json.dumps(told)
    assert world.call(REFUND, amount=500) == "ok"  # the old ones stay


def test_a_token_of_nobody_known_reaches_no_policy(world: World) -> None:
    world.adopt(policy=statement(ANY_TOOL))
    forged = a_token({"iss": "https://evil.example", "aud": "underwriting", "sub": "client-1"})
    params = {"name": REFUND, "arguments": {"amount": 5}}

    for headers in ({}, {"Authorization": f"Bearer {forged}"}):
        assert world.gateway.post("tools/call", params, **headers)[0] == 401


def test_log_only_is_shadow_for_a_policy_and_observe_for_all(world: World) -> None:
    world.adopt(
        policy=statement(ANY_TOOL)
        + '@mode("shadow") '
        + statement(ANY_REFUND.replace("permit", "forbid"))
    )
    assert world.call(REFUND, amount=500) == "ok"


def test_refusals_can_be_told_as_errors() -> None:
    with tempfile.TemporaryDirectory() as directory, apart(running_issuer()) as issuer:
        config = CONFIG.format(arn=ARN, issuer=issuer.url, refusals="json_rpc_error")
        with running(Path(directory), config, p__cedar=REFUNDS, **MODULES) as gateway:
            answer = World(gateway, issuer).answer(REFUND, amount=2000)

    assert answer["error"]["message"] == "Policy does not permit this call."
    assert answer["error"]["data"][META_KEY]["code"] == "not_permitted"


EXAMPLE = Path(__file__).parents[2] / "examples" / "from-agentcore"


def test_the_example_runs_as_its_readme_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = shutil.ignore_patterns("*.db*", ".callgate", "__pycache__")
    place = shutil.copytree(EXAMPLE, tmp_path / "example", ignore=ignored)
    monkeypatch.chdir(place)
    monkeypatch.setenv("IDP_SECRET", "0123456789abcdef" * 4)
    offline = ["policy", "test", "--tools", "tools.json"]
    tested = finished(*offline, cwd=place)
    assert "10 cases: 10 passed" in tested.stdout, tested
    readme = (place / "README.md").read_text()

    outcomes = []
    with running(place, (place / "callgate.yaml").read_text()) as gateway:
        assert gateway.callgate("policy", "tools", "--check", "--output", "tools.json") == ""
        for words, calls in re.findall(r"TOKEN=\$\((.*?)\)\n((?:\.\./call.*\n)+)", readme):
            mint = [sys.executable, *shlex.split(words)[1:]]
            minted = subprocess.run(mint, capture_output=True, text=True, check=True)
            for line in calls.splitlines():
                _, tool, arguments = shlex.split(line)
                params = {"name": tool, "arguments": json.loads(arguments)}
                bearer = f"Bearer {minted.stdout.strip()}"
                _, answer = gateway.post("tools/call", params, Authorization=bearer)
                outcomes.append("refused" if answer["result"].get("isError") else "permitted")

    told = re.findall(r"^\| client.*?\| (permitted|refused) \|", readme, re.MULTILINE)
    assert outcomes == told and len(told) == 6
