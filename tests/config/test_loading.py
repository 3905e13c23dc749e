import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from callgate.config import Config, ConfigError, load_config
from callgate.config.loading import anchored
from callgate.upstream.stdio_settings import StdioTargetSettings
from fakes.issuer import jwk_set

ENVIRON = {"TOKEN": "s3cret-value", "PORT": "9090", "BAD": "p\x1fq-s3cret"}


def written(directory: Path, text: str, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = directory / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = directory / "callgate.yaml"
    file.write_text(text)
    return file


def loaded(directory: Path, text: str, **files: str | bytes) -> Config:
    return load_config(written(directory, text, **files), ENVIRON)


def problems(directory: Path, text: str, **files: str | bytes) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(directory, text, **files)
    found = [str(problem) for problem in caught.value.problems]
    assert not any("s3cret" in problem for problem in found)
    return found


def test_the_smallest_configuration_has_safe_defaults(tmp_path: Path) -> None:
    config = loaded(tmp_path, "gateway: {}\n")
    assert config.listeners.agents.host == config.listeners.control.host == "127.0.0.1"
    assert (config.listeners.agents.port, config.listeners.control.port) == (8080, 8081)
    assert config.identity.anonymous is None
    assert config.policy_files == ()
    assert config.warnings == (
        "No policy file was found (policies/*.cedar): every call is refused.",
        "No target is configured: there are no tools.",
        "No way to prove identity is configured: every call is refused.",
    )


def test_a_configuration_knows_where_it_came_from(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
identity:
  jwt:
    - {issuer: https://idp.example, audience: [callgate], jwks_file: keys/jwks.json}
targets:
  web: {url: https://h.example/mcp, headers: {Authorization: "Bearer ${file:token}"}}
policies:
  files: ["policies/**/*.cedar", extra.cedar]
store: {path: data/record.db}
""",
        keys__jwks_dot_json=jwk_set(),
        token="abcdef",
        policies__b_dot_cedar="",
        policies__deep__a_dot_cedar="",
        extra_dot_cedar="",
    )
    assert config.file == tmp_path / "callgate.yaml"
    assert config.directory == tmp_path
    assert len(config.digest) == 64
    assert config.store.path == tmp_path / "data" / "record.db"
    assert config.identity.jwt[0].jwks_file == tmp_path / "keys" / "jwks.json"
    assert config.policy_files == (
        tmp_path / "extra.cedar",
        tmp_path / "policies" / "b.cedar",
        tmp_path / "policies" / "deep" / "a.cedar",
    )
    assert config.depends_on == {
        config.file,
        tmp_path / "token",
        tmp_path / "keys" / "jwks.json",
        *config.policy_files,
        tmp_path / "policies",
        tmp_path,
    }
    assert config.warnings == ()


def test_a_relative_path_to_the_file_makes_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, "gateway: {}\n", policies__a_dot_cedar="")
    monkeypatch.chdir(tmp_path)
    config = load_config(Path("callgate.yaml"))
    assert config.policy_files == (tmp_path / "policies" / "a.cedar",)


def test_a_directory_with_pattern_characters_in_its_name_works(tmp_path: Path) -> None:
    odd = tmp_path / "a[1]*"
    odd.mkdir()
    config = loaded(odd, "gateway: {}\n", policies__a_dot_cedar="")
    assert config.policy_files == (odd / "policies" / "a.cedar",)
    assert config.depends_on >= {odd / "policies"}


def test_references_are_replaced_and_shown_as_references(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
listeners: {agents: {port: "${env:PORT}"}}
targets:
  web:
    url: https://h.example/mcp
    headers: {Authorization: "Bearer ${env:TOKEN}", X-Copy: fine}
identity:
  jwt:
    - {issuer: https://idp.example, audience: [a], secret: "${file:key}", algorithms: [HS256]}
""",
        key="0123456789abcdef0123456789abcdef\n",
    )
    assert config.listeners.agents.port == 9090
    web = config.targets["web"]
    assert web.headers["Authorization"] == "Bearer s3cret-value"  # type: ignore[union-attr] # HTTP
    shown = config.shown
    assert shown["listeners"]["agents"]["port"] == "${env:PORT}"
    assert shown["targets"]["web"]["headers"] == {
        "Authorization": "Bearer ${env:TOKEN}",
        "X-Copy": "fine",
    }
    assert shown["identity"]["jwt"][0]["secret"] == "${file:key}"
    assert shown["gateway"]["name"] == "main"
    assert "s3cret" not in str(shown)
    assert "0123456789abcdef" not in str(shown)


def test_a_reference_that_leads_nowhere_is_not_taken_for_a_secret(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """targets:
  web: {url: https://h.example/mcp, headers: {Authorization: "Bearer ${env:NOPE}"}}
""",
    ) == [
        "callgate.yaml:2:62: targets.web.headers.Authorization: the environment variable NOPE is "
        "not set; set it",
    ]


def test_everything_that_is_wrong_is_said_at_once_with_line_column_and_fix(tmp_path: Path) -> None:
    assert problems(
        tmp_path,
        """gateway:
  nam: main
listeners:
  agents: {port: 99999}
identity:
  jwt:
    - audience: [callgate]
      algoritms: [RS256]
targets:
  a___b: {url: https://h.example/mcp}
  both: {url: https://h.example/mcp, command: x}
  none: {}
  web: {url: https://h.example/mcp, headers: {Authorization: Bearer x, X-Y: "${env:NOPE}"}}
store: 5
listenrs: {}
""",
    ) == [
        "callgate.yaml:2:3: gateway.nam: unknown key; did you mean 'name'?",
        "callgate.yaml:4:12: listeners.agents.port: must be less than or equal to 65535",
        "callgate.yaml:7:7: identity.jwt[0].issuer: is missing; add it",
        "callgate.yaml:8:7: identity.jwt[0].algoritms: unknown key; did you mean 'algorithms'?",
        "callgate.yaml:10:3: targets.a___b: a target's name must not contain ___ or end with `_`",
        "callgate.yaml:11:3: targets.both: must have exactly one of `url`, `command` and `python`",
        "callgate.yaml:12:3: targets.none: must have exactly one of `url`, `command` and `python`",
        "callgate.yaml:13:47: targets.web.headers.Authorization: a secret must not stand in this "
        "file; write it as a reference: ${env:NAME} or ${file:PATH}",
        "callgate.yaml:13:77: targets.web.headers.X-Y: the environment variable NOPE is not set; "
        "set it",
        "callgate.yaml:14:1: store: must be a mapping of keys",
        "callgate.yaml:15:1: listenrs: unknown key; did you mean 'listeners'?",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "targets: {web: {url: 'ftp://${env:TOKEN}/'}}",
        "targets: {web: {url: '${env:TOKEN}'}}",
        "identity: {jwt: [{issuer: 'http://${env:TOKEN}', audience: [a]}]}",
        "identity: {jwt: [{issuer: 'https://x', audience: [a], secret: '${env:TOKEN}'}]}",
        "identity: {api_keys: [{name: a, principal: '${env:BAD}', sha256: '${env:TOKEN}'}]}",
        "listeners: {agents: {port: '${env:TOKEN}'}}",
        "gateway: {refusals: '${env:TOKEN}', namespace: '${env:TOKEN}', max_depth: '${env:TOKEN}'}",
        "store: {mask: ['${env:TOKEN}..x']}",
        "policies: {files: ['${env:TOKEN}']}",
        "identity: {jwt: [{issuer: 'https://x', audience: [a], jwks_file: '${env:TOKEN}'}]}",
    ],
)
def test_no_message_repeats_what_came_from_a_reference(tmp_path: Path, text: str) -> None:
    assert problems(tmp_path, text)  # `problems` itself looks for the value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1", "1:1: a: unknown key; known are exports, gateway, identity,"),
        (
            "gateway: {instructions: 5}",
            "1:11: gateway.instructions: must be a text; put it in quotes",
        ),
        (
            "gateway: {refusals: x}",
            "1:11: gateway.refusals: must be 'tool_result' or 'json_rpc_error'",
        ),
        ("gateway: {max_depth: 1.5}", "1:11: gateway.max_depth: must be a whole number"),
        ("gateway: [1]", "1:1: gateway: must be a mapping of keys"),
        ("policies: {files: x}", "1:12: policies.files: must be a list"),
        (
            "listeners: {agents: {tls_key: k}}",
            "1:13: listeners.agents: needs `tls_certificate` and",
        ),
        ("identity: {anonymous: 5}", "1:12: identity.anonymous: must be a mapping of keys"),
        ("targets: {a: {python: m, x: 1}}", "1:26: targets.a.x: unknown key"),
        ("targets: {CallTool: {python: m}}", "1:11: targets.CallTool: this name stands for all"),
        ("targets: {a_: {python: m}}", "1:11: targets.a_: a target's name must not contain ___ or"),
        ("targets: {-a: {python: m}}", "1:11: targets.-a: a target's name begins with a letter"),
        (
            "interceptors: [{name: a, redact: {}}, {name: a, redact: {}}]",
            "1:1: interceptors: two have the name a; rename one",
        ),
        (
            "interceptors: [{name: a, redact: {}, tools: [web___x]}]",
            "1:1: interceptors: a is for web, which is not a target",
        ),
        (
            "identity: {api_keys: [{name: a, sha256: x, principal: p}]}",
            "1:33: identity.api_keys[0].sha256: must be 64 lower-case hex digits; `callgate key new`",
        ),
        (
            "identity: {api_keys: [{name: a, sha256: x, principal: p, expires_at: 2027-01-31}]}",
            "1:58: identity.api_keys[0].expires_at: must ",
        ),
        (
            "identity: {jwt: [{issuer: https://x, audience: [a], jwks_file: nope.json}]}",
            "1:53: identity.jwt[0].jwks_file: ",
        ),
        (
            "policies: {files: [a.cedar]}",
            "1:20: policies.files[0]: a.cedar does not exist; create it",
        ),
        ("gateway: {}\ngateway: {}", "2:1: gateway: the key appears twice (first in line 1)"),
    ],
)
def test_what_is_wrong_is_said_in_words_for_people(tmp_path: Path, text: str, problem: str) -> None:
    assert any(one.startswith(f"callgate.yaml:{problem}") for one in problems(tmp_path, text)), (
        problems(tmp_path, text)
    )


@pytest.mark.parametrize("document", [b"<html>", b'{"keys": []}'])
def test_a_key_file_without_usable_keys_is_said_at_its_place(
    tmp_path: Path, document: bytes
) -> None:
    text = "identity: {jwt: [{issuer: https://x, audience: [a], jwks_file: keys.json}]}"
    (problem,) = problems(tmp_path, text, keys_dot_json=document)
    assert problem.startswith("callgate.yaml:1:53: identity.jwt[0].jwks_file: ")


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`callgate init` writes one to start from"):
        load_config(tmp_path / "callgate.yaml")
    (tmp_path / "callgate.yaml").write_bytes(b"a: 1\nb: \xff\n")
    with pytest.raises(ConfigError, match=r"callgate\.yaml:2:1: is not UTF-8 text"):
        load_config(tmp_path / "callgate.yaml")
    (tmp_path / "callgate.yaml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(ConfigError, match="is larger than"):
        load_config(tmp_path / "callgate.yaml")


@pytest.mark.parametrize(
    ("host", "warns"),
    [("0.0.0.0", True), ("gate.example", True), ("::1", False), ("localhost", False)],
)
def test_listening_beyond_this_machine_without_tls_is_warned_about(
    tmp_path: Path, host: str, warns: bool
) -> None:
    config = loaded(tmp_path, f"listeners: {{agents: {{host: '{host}'}}}}")
    assert any("without TLS" in warning for warning in config.warnings) is warns


@pytest.mark.parametrize(("mode", "warns"), [("require", True), ("verify-full", False)])
def test_a_record_across_a_network_without_a_certificate_is_warned_about(
    tmp_path: Path, mode: str, warns: bool
) -> None:
    url = f"postgresql://callgate@db.example.com/record?sslmode={mode}"
    config = loaded(tmp_path, f"store: {{url: '{url}'}}")
    assert any("sslmode=verify-full" in warning for warning in config.warnings) is warns


@pytest.mark.parametrize(("header", "warns"), [("Authorization", True), ("x-trace", False)])
def test_letting_interceptors_say_as_whom_a_target_is_called_is_warned_about(
    tmp_path: Path, header: str, warns: bool
) -> None:
    target = f"{{url: 'https://tools.example/mcp', pass_headers: [{header}]}}"
    config = loaded(tmp_path, f"targets: {{shop: {target}}}")
    assert any("targets.shop.pass_headers" in warning for warning in config.warnings) is warns


def test_a_program_starts_where_callgate_yaml_says_from_its_own_place(tmp_path: Path) -> None:
    config = loaded(tmp_path, "targets: {git: {command: git-server, cwd: work/here}}")
    target = config.targets["git"]
    assert isinstance(target, StdioTargetSettings)
    assert target.cwd == tmp_path / "work/here"


@pytest.mark.parametrize("source", ["store: true", "git: {repository: policies}"])
def test_policies_may_come_from_elsewhere_than_files(tmp_path: Path, source: str) -> None:
    config = loaded(tmp_path, f"policies: {{{source}}}")
    assert not any("No policy file" in warning for warning in config.warnings)


def test_a_password_for_a_repository_is_a_reference_and_is_shown_as_one(tmp_path: Path) -> None:
    git = "policies: {git: {repository: 'https://h.example/p', password: %s}}"
    config = loaded(tmp_path, git % "'${env:TOKEN}'")
    assert config.shown["policies"]["git"]["password"] == "${env:TOKEN}"
    assert config.policies.git is not None
    assert config.policies.git.password is not None
    assert config.policies.git.password.get_secret_value() == "s3cret-value"
    assert "a secret must not stand in this file" in problems(tmp_path, git % "hunter2")[0]


def test_anonymous_access_is_warned_about(tmp_path: Path) -> None:
    config = loaded(tmp_path, "identity: {anonymous: {id: dev}}")
    assert any("principal 'dev'" in warning for warning in config.warnings)


def test_the_same_file_gives_equal_settings_and_a_changed_secret_does_not(tmp_path: Path) -> None:
    file = written(tmp_path, "targets: {w: {url: 'https://h.example/${env:TOKEN}'}}")
    assert load_config(file, ENVIRON).targets == load_config(file, ENVIRON).targets
    changed = load_config(file, {**ENVIRON, "TOKEN": "other"})
    assert changed.targets != load_config(file, ENVIRON).targets
    assert changed.digest == load_config(file, ENVIRON).digest


class _Inner(BaseModel):
    path: Path | None = None
    text: str = "relative/text"


class _Outer(BaseModel):
    inner: _Inner = _Inner()
    many: dict[str, tuple[_Inner, ...]] = {}


def test_every_path_in_a_tree_is_anchored_and_nothing_else_changes(tmp_path: Path) -> None:
    def tree(path: Any, other: Any) -> _Outer:
        inner = _Inner(path=path)
        return _Outer(inner=inner, many={"a": (_Inner(path=other), _Inner())})

    home = Path(os.path.expanduser("~"))
    assert anchored(tree("a/../b", "~/c"), tmp_path) == tree(tmp_path / "b", home / "c")
    absolute = tree("/x", "/y")
    assert anchored(absolute, tmp_path) == absolute


def test_files_that_interceptors_are_made_of_are_watched(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
interceptors:
  - {name: a, python: "hooks:a"}
  - {name: b, lambda: "lambdas/b.py:handle"}
  - {name: c, python: "gone:c"}
  - {name: d, lambda: {function: elsewhere, region: eu-central-1}}
  - name: e
    webhook: {url: "https://h.example/", secret: "${file:sec}", certificate: c.pem, key: k.pem, authority: a.pem}
""",
        hooks_dot_py="import helping, json, later",
        helping_dot_py="",
        lambdas__b_dot_py="import near",
        lambdas__near_dot_py="",
        c_dot_pem="",
        k_dot_pem="",
        a_dot_pem="",
        sec="whsec_" + "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )

    names = {path.relative_to(tmp_path).as_posix() for path in config.depends_on}
    assert names >= {"hooks.py", "helping.py", "later.py", "gone.py"}
    assert names >= {"lambdas/b.py", "lambdas/near.py", "c.pem", "k.pem", "a.pem"}
    assert "json.py" not in names


def test_block_is_not_blamed_for_a_reference_that_leads_nowhere(tmp_path: Path) -> None:
    file = tmp_path / "callgate.yaml"
    issuer = "{issuer: 'https://x.example', audience: [a], algorithms: [HS256], secret: '${env:X}'}"
    file.write_text(f"identity: {{jwt: [{issuer}]}}\ntargets: {{x: {{python: x}}}}\n")

    with pytest.raises(ConfigError) as raised:
        load_config(file, {})

    assert [(one.path, one.message) for one in raised.value.problems] == [
        ("identity.jwt[0].secret", "the environment variable X is not set; set it")
    ]
