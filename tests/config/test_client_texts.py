from pathlib import Path

import pytest

from callgate.config.client_texts import ClientTexts
from callgate.config.clients import Client

KEY = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"


def texts(client: Client) -> ClientTexts:
    return ClientTexts(client, Path("/work/app"), {"SET": "x"}, Path("/home/me"))


@pytest.mark.parametrize(
    ("client", "text", "converted"),
    [
        (Client.VSCODE, "${workspaceFolder}/run", "/work/app/run"),
        (Client.VSCODE, "${userHome}${pathSeparator}x", "/home/me/x"),
        (Client.VSCODE, "${env:SET}", "${env:SET}"),
        (Client.VSCODE, "${input:my key}", "${env:CALLGATE_INPUT_MY_KEY}"),
        (Client.VSCODE, "${command:x}", "$${command:x}"),
        (Client.CURSOR, "${workspaceFolderBasename}", "app"),
        (Client.CURSOR, "${env:SET}-${env:OTHER}", "${env:SET}-${env:OTHER}"),
        (Client.CLAUDE_CODE, "${SET}/${OTHER}", "${env:SET}/${env:OTHER}"),
        (Client.CLAUDE_CODE, "${SET:-a}/${OTHER:-b}", "${env:SET}/b"),
        (Client.CLAUDE_CODE, "${OTHER:-}", ""),
        (Client.CLAUDE_DESKTOP, "${SET} ${env:SET}", "$${SET} $${env:SET}"),
        (Client.CLAUDE_DESKTOP, "plain $5", "plain $5"),
    ],
)
def test_variables_of_each_client_become_ours(client: Client, text: str, converted: str) -> None:
    assert texts(client).value(text, "web", "X") == converted


def test_what_the_client_would_ask_for_must_be_filled_in() -> None:
    found = texts(Client.VSCODE)
    found.value("Bearer ${input:gh}", "web", "Authorization", is_secret=True)
    assert found.secrets == {"CALLGATE_INPUT_GH": ""}


@pytest.mark.parametrize(
    ("text", "converted", "secret"),
    [
        ("Bearer abc", "Bearer ${env:CALLGATE_WEB_AUTHORIZATION}", "abc"),
        ("abc", "${env:CALLGATE_WEB_AUTHORIZATION}", "abc"),
        ("${literal", "${env:CALLGATE_WEB_AUTHORIZATION}", "${literal"),
    ],
)
def test_a_secret_moves_into_a_variable(text: str, converted: str, secret: str) -> None:
    found = texts(Client.CURSOR)
    assert found.value(text, "web", "Authorization", is_secret=True) == converted
    assert found.secrets == {"CALLGATE_WEB_AUTHORIZATION": secret}


def test_a_secret_that_was_a_variable_stays_one() -> None:
    found = texts(Client.CURSOR)
    converted = found.value("Bearer ${env:SET}", "web", "Authorization", is_secret=True)
    assert (converted, found.secrets) == ("Bearer ${env:SET}", {})


def test_two_secrets_of_one_name_get_two_variables_and_the_same_secret_one() -> None:
    found = texts(Client.CURSOR)
    converted = [found.value(text, "web", "X-Key", is_secret=True) for text in ("a", "b", "a")]
    assert converted == [
        "${env:CALLGATE_WEB_X_KEY}",
        "${env:CALLGATE_WEB_X_KEY_2}",
        "${env:CALLGATE_WEB_X_KEY}",
    ]


def test_credentials_are_found_by_their_form_wherever_they_are() -> None:
    found = texts(Client.CURSOR)
    assert found.value(f"x={KEY};y", "git", "NOTE") == "x=${env:CALLGATE_GIT_NOTE};y"
    assert found.secrets == {"CALLGATE_GIT_NOTE": KEY}


@pytest.mark.parametrize(
    ("arguments", "converted"),
    [
        (["--api-key", "abc"], ["--api-key", "${env:CALLGATE_T_API_KEY}"]),
        (["--api-key=abc"], ["--api-key=${env:CALLGATE_T_API_KEY}"]),
        (["-e", "GH_TOKEN=abc"], ["-e", "GH_TOKEN=${env:CALLGATE_T_GH_TOKEN}"]),
        (["-e", "GH_TOKEN"], ["-e", "GH_TOKEN"]),
        (
            ["--header", "Authorization: Bearer abc"],
            ["--header", "Authorization: Bearer ${env:CALLGATE_T_AUTHORIZATION}"],
        ),
        (["--token", "--verbose", "x"], ["--token", "--verbose", "x"]),
        (["--root=/x", "https://h/p"], ["--root=/x", "https://h/p"]),
    ],
)
def test_secrets_among_arguments_are_found_by_their_flags(
    arguments: list[str], converted: list[str]
) -> None:
    assert texts(Client.CLAUDE_DESKTOP).arguments(arguments, "t") == converted


def test_parameters_of_a_url_that_are_secrets_move_out() -> None:
    found = texts(Client.CURSOR)
    url = found.url("https://h/mcp?exaApiKey=abc%20d&page=1&token=x", "exa")
    assert (
        url
        == "https://h/mcp?exaApiKey=${env:CALLGATE_EXA_EXAAPIKEY}&page=1&token=${env:CALLGATE_EXA_TOKEN}"
    )
    assert found.secrets == {"CALLGATE_EXA_EXAAPIKEY": "abc%20d", "CALLGATE_EXA_TOKEN": "x"}
