"""The servers that clients are tried against, and the steps that each is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any
Steps = Mapping[str, Json]

FEATURES = {
    "connect": "handshake or discovery; the capabilities of the target are among those declared",
    "tools": "`tools/list`: the definitions are those that the target gives without the gateway",
    "call": "`tools/call`",
    "resources": "`resources/list`, `resources/read`",
    "links": "a resource that the result of a call links to can be read",
    "templates": "`resources/templates/list`, and reading what one leads to",
    "prompts": "`prompts/list`, `prompts/get`",
    "completion": "`completion/complete`",
    "progress": "the progress that a call reports (but for the last, which SDKs drop beside the answer)",
    "logging": "log messages from the level asked for",
    "subscription": "subscribing to a resource, its update",
    "list_changed": "lists that change are announced",
    "elicitation": "a question to the user during a call",
    "sampling": "a question to the client's model during a call",
    "roots": "asking for the client's roots during a call",
    "cancellation": "a cancelled call ends at the target",
}


@dataclass(frozen=True)
class Route:
    """How a client writes the names of one target."""

    tools: str = ""
    uris: str = ""

    def call(self, tool: str, expect: str | list[str] = "", **arguments: Json) -> Json:
        return {"name": self.tools + tool, "arguments": arguments, "expect": expect}

    def prompt(self, name: str, **arguments: str) -> Json:
        return {"name": self.tools + name, "arguments": arguments}

    def uri(self, uri: str) -> str:
        return self.uris + uri

    def of_prompt(self, name: str) -> Json:
        return {"type": "ref/prompt", "name": self.tools + name}

    def of_template(self, uri: str) -> Json:
        return {"type": "ref/resource", "uri": self.uris + uri}


@dataclass(frozen=True)
class Place:
    """Where the servers find their files, and a word that no other connection uses."""

    directory: Path
    word: str


PLAIN = Route()


def aggregated(target: str) -> Route:
    """The names on `/mcp`, where all targets are."""
    return Route(f"{target}___", f"{target}+")


@dataclass(frozen=True)
class Target:
    """One server, one way to reach it."""

    name: str
    program: str
    transport: str
    era: str
    steps: Callable[[Route, Place], Steps]


def git(route: Route, place: Place) -> Steps:
    return {
        "tools": {},
        "call": route.call(
            "git_log", "the first commit", repo_path=f"{place.directory}/repository"
        ),
    }


def time(route: Route, place: Place) -> Steps:
    asked = {"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    return {"tools": {}, "call": route.call("convert_time", "+9.0h", **asked)}


def filesystem(route: Route, place: Place) -> Steps:
    path = f"{place.directory}/files/note.txt"
    return {"tools": {}, "call": route.call("read_text_file", "written beforehand", path=path)}


def memory(route: Route, place: Place) -> Steps:
    ada = {"name": "Ada", "entityType": "person", "observations": ["writes programs"]}
    graph = route.uri("memory://knowledge-graph")
    return {
        "tools": {},
        "call": route.call("create_entities", entities=[ada]),
        "resources": {"lists": graph, "reads": graph, "expect": "writes programs"},
        "subscription": {
            "uri": graph,
            "trigger": route.call("delete_entities", entityNames=["Ada"]),
        },
    }


def thinking(route: Route, place: Place) -> Steps:
    thought = {"thought": "so", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": False}
    return {
        "tools": {},
        "call": route.call("sequentialthinking", '"thoughtHistoryLength"', **thought),
    }


def everything(route: Route, place: Place) -> Steps:
    template = "demo://resource/dynamic/text/{resourceId}"
    text = route.uri("demo://resource/dynamic/text/1")
    subscribed = route.uri("demo://resource/dynamic/text/7")
    file = "demo://resource/static/document/features.md"
    toggle = route.call("toggle-subscriber-updates")
    zipped = {"name": "a.gz", "data": "data:text/plain,a", "outputType": "resourceLink"}
    prompt = route.of_prompt("completable-prompt")
    return {
        "tools": {},
        # Early: the server asks once in each session, else by a timer and so during another step.
        "roots": route.call("get-roots-list", "file://"),
        "call": route.call("echo", "Echo: hello", message="hello"),
        "resources": {
            "lists": route.uri(file),
            "reads": route.uri(file),
            "expect": "Everything Server",
        },
        "links": {
            "call": route.call("get-resource-links", count=2),
            "expect": "Resource 2",
        },
        "templates": {"lists": route.uri(template), "reads": text, "expect": "Resource 1"},
        "prompts": {
            "lists": route.tools + "args-prompt",
            "gets": route.prompt("args-prompt", city="Ulm"),
            "expect": "What's weather in Ulm?",
        },
        "completion": [
            {
                "ref": prompt,
                "argument": {"name": "department", "value": "S"},
                "expect": ["Sales", "Support"],
            },
            {
                "ref": prompt,
                "argument": {"name": "name", "value": "A"},
                "context": {"arguments": {"department": "Engineering"}},
                "expect": ["Alice"],
            },
            {
                "ref": route.of_template(template),
                "argument": {"name": "resourceId", "value": "7"},
                "expect": ["7"],
            },
        ],
        "progress": {
            "call": route.call("trigger-long-running-operation", duration=0.2, steps=4),
            "expect": [1, 2, 3, 4],
        },
        "logging": {"level": "info", "subscribe": subscribed, "expect": ["Received Subscribe"]},
        "subscription": {
            "uri": subscribed,
            "trigger": toggle,
            "started": "Started",
            "stop": {**toggle, "expect": "Stopped"},
        },
        "list_changed": {
            "what": ["resources"],
            "calls": [route.call("gzip-file-as-resource", **zipped)],
        },
        "elicitation": route.call("trigger-elicitation-request", "- Name: Ada"),
        "sampling": route.call("trigger-sampling-request", "sampled", prompt="Say something."),
    }


def fixture(route: Route, place: Place) -> Steps:
    text, watched = "test://static-text", "test://watched-resource"
    template = "test://template/{id}/data"
    kinds = ["tools", "prompts", "resources"]
    levels = ["warning", "error", "critical", "alert", "emergency"]
    given = {"arg1": "one", "arg2": "two"}
    return {
        "tools": {},
        "call": route.call("test_simple_text", "simple text response"),
        "resources": {
            "lists": route.uri(text),
            "reads": route.uri(text),
            "expect": "the static text",
        },
        "templates": {
            "lists": route.uri(template),
            "reads": route.uri("test://template/5/data"),
            "expect": "Data for ID: 5",
        },
        "prompts": {
            "lists": route.tools + "test_prompt_with_arguments",
            "gets": route.prompt("test_prompt_with_arguments", **given),
            "expect": "arg1='one', arg2='two'",
        },
        "completion": [
            {
                "ref": route.of_prompt("test_prompt_with_arguments"),
                "argument": {"name": "arg1", "value": "par"},
                "expect": ["paris", "park", "party"],
            },
            {
                "ref": route.of_template(template),
                "argument": {"name": "id", "value": "1"},
                "expect": ["123", "124"],
            },
        ],
        "progress": {"call": route.call("many_progress", n=5), "expect": [1, 2, 3, 4, 5]},
        "logging": {
            "level": levels[0],
            "call": route.call("log_at"),
            "expect": ["a message at emergency"],
            "levels": levels,
        },
        "subscription": {"uri": route.uri(watched), "trigger": route.call("update_resource")},
        "list_changed": {"what": kinds, "calls": [route.call("notify_changes", kinds=kinds)] * 2},
        "elicitation": route.call("ask_elicitation", ["accept", "Ada"]),
        "sampling": route.call("ask_sampling", "sampled"),
        "roots": route.call("ask_roots", "file://"),
        "cancellation": {
            "call": route.call("slow", label=place.word),
            "check": route.call("was_cancelled", '"cancelled": 1', label=place.word, cancelled=1),
        },
    }


LOGS = (
    "what the server logs belongs to no request, and 2026-07-28 has log messages only in answers to "
    "requests"
)
UPDATES = (
    "the server says what changed only in the session that told it to change something, and "
    "2026-07-28 has no sessions"
)
UNSUITED: Mapping[tuple[str, str], str] = {
    ("everything", "logging"): LOGS,
    ("everything-http", "logging"): LOGS,
    ("everything-sse", "logging"): LOGS,
    ("everything-http", "subscription"): UPDATES,
    ("everything-sse", "subscription"): UPDATES,
}
"""What a target does in a way that no client of 2026-07-28 can see, whatever stands in between."""

TARGETS = (
    Target("git", "mcp-server-git", "stdio", "modern", git),
    Target("time", "mcp-server-time", "stdio", "modern", time),
    Target("everything", "server-everything", "stdio", "legacy", everything),
    Target("everything-http", "server-everything", "HTTP", "legacy", everything),
    Target("everything-sse", "server-everything", "HTTP+SSE", "legacy", everything),
    Target("filesystem", "server-filesystem", "stdio", "legacy", filesystem),
    Target("memory", "server-memory", "stdio", "legacy", memory),
    Target("thinking", "server-sequential-thinking", "stdio", "legacy", thinking),
    Target("fixture-legacy", "fixture", "HTTP", "legacy", fixture),
    Target("fixture-modern", "fixture", "HTTP", "modern", fixture),
)
