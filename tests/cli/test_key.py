import re

import pytest
import yaml
from click.testing import CliRunner

from callgate.cli.key import key
from callgate.config.tree import Config
from callgate.identity.api_keys import digest_of


def test_a_new_key_is_printed_once_with_the_entry_that_accepts_it() -> None:
    arguments = ["new", "--principal", "build", "--name", "ci", "--group", "ops", "--group", "dev"]
    shown = CliRunner().invoke(key, [*arguments, "--expires-at", "2999-01-31T00:00:00Z"])
    assert shown.exit_code == 0
    (secret,) = re.findall(r"cgk_[\w-]{43}", shown.output)
    entry = yaml.safe_load(shown.output[shown.output.index("identity:") :])
    (configured,) = Config.model_validate(entry).identity.api_keys
    assert configured.sha256 == digest_of(secret)
    assert (configured.name, configured.principal, configured.groups) == (
        "ci",
        "build",
        ("ops", "dev"),
    )
    assert configured.expires_at is not None


def test_the_name_is_the_principals_where_none_is_given() -> None:
    shown = CliRunner().invoke(key, ["new", "--principal", "build"])
    assert "- name: build\n" in shown.output
    assert "groups" not in shown.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "--principal"),
        (["--principal", "a", "--expires-at", "soon"], "--expires-at"),
        (["--principal", "a", "--expires-at", "2027-01-31T00:00:00"], "--expires-at"),
        (["--principal", "a\x1f"], "Error: --principal: must have 1 to 512"),
        (["--principal", "a", "--name", "\x1f"], "Error: --name: must have 1 to 512"),
        (["--principal", "a", "--group", ""], "Error: --group: "),
        (["--principal", "a", "--expires-at", "tomorrow"], "as in 2027-01-31T00:00:00Z"),
        (["--principal", "a", "--expires-at", "2020-01-31T00:00:00Z"], "this is past"),
    ],
)
def test_what_no_gateway_would_accept_is_not_made(arguments: list[str], problem: str) -> None:
    shown = CliRunner().invoke(key, ["new", *arguments])
    assert shown.exit_code == 2
    assert problem in shown.output
    assert "cgk_" not in shown.output
