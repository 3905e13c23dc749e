import pytest

from callgate.config.secrets import find_secrets, is_secret_name, is_secret_text, literal_secrets
from callgate.config.source import read_yaml


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Api-Key", "x-api-key", "GITHUB_TOKEN", "clientSecret", "exaApiKey", "APIKEY",
     "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD", "db_pwd", "GITHUB_PAT", "APIToken", "Cookie", "--api-key"],
)  # fmt: skip
def test_names_that_hold_secrets_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["MAX_TOKENS", "TOKEN_LIMIT", "KEYBOARD", "PATH", "PWD", "PAT", "HOME", "PUBLIC_KEY", "monkey",
     "Content-Type", "", "-", "SECRETARY", "AUTHORIZATION_URL"],
)  # fmt: skip
def test_other_names_are_left_alone(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "--token=xoxb-123456789012-abc",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "postgres://user:hunter2@host/db",
        "-----BEGIN RSA PRIVATE KEY-----\nabc",
        "cgk_" + "a" * 43,
        "PRIVATE+KEY+records.example.com+0a1b2c3d+" + "A" * 44,
    ],
)
def test_credentials_are_known_by_their_form(text: str) -> None:
    assert is_secret_text(text)


@pytest.mark.parametrize(
    "text",
    ["https://host/path", "postgres://user@host/db", "npx", "-y", "skip-this-one", "eyJhbGci"],
)
def test_ordinary_texts_are_no_credentials(text: str) -> None:
    assert not is_secret_text(text)


def test_only_the_password_of_a_url_is_the_secret() -> None:
    text = "postgres://user:hunter2@host/db"
    assert [text[begin:end] for begin, end in find_secrets(text)] == ["hunter2"]


def test_secrets_in_the_file_are_problems_that_do_not_repeat_them() -> None:
    text = """
identity:
  jwt:
    - secret: hunter2-hunter2
targets:
  web:
    url: https://h/?x=ghp_abcdefghijklmnopqrstuvwxyz0123456789
    headers: {Authorization: Bearer hunter2, X-Ok: fine, X-Api-Key: ""}
  git:
    command: g
    env: {GITHUB_TOKEN: hunter2, MAX_TOKENS: "5"}
interceptors:
  - enriches: {token: string}
listeners:
  control: {operators: {ada: hunter2}, readers: {eve: hunter2}}
gateway: {seal_key: hunter2}
store: {blobs: {s3: {access_key_id: AKX, secret_access_key: hunter2, session_token: hunter2}}}
"""
    found = list(literal_secrets(read_yaml(text, "c.yaml"), "c.yaml"))
    assert [(problem.line, problem.path) for problem in found] == [
        (4, "identity.jwt[0].secret"),
        (7, "targets.web.url"),
        (8, "targets.web.headers.Authorization"),
        (11, "targets.git.env.GITHUB_TOKEN"),
        (15, "listeners.control.operators.ada"),
        (15, "listeners.control.readers.eve"),
        (16, "gateway.seal_key"),
        (17, "store.blobs.s3.secret_access_key"),
        (17, "store.blobs.s3.session_token"),
    ]
    assert all("hunter2" not in str(problem) and "ghp_" not in str(problem) for problem in found)
