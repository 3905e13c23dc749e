"""An MCP server over stdio with every vice a test needs. Run as a program: `ERA [option…]`.

ERA: modern | legacy | dies (on an unknown first message) | deaf (to what it does not know) | mute |
gone (exits at once). Options: stubborn (ignores SIGTERM and a closed stdin) | late (answers after
a pause) | chatty (prints before it speaks MCP) | changing (announces that its tools change).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

ERA, OPTIONS = sys.argv[1], sys.argv[2:]
TOOL = {"name": "echo", "inputSchema": {"type": "object"}}
cancelled: list[Any] = []
answered: list[Any] = []
came = threading.Semaphore(0)
lock = threading.Lock()


def raw(data: bytes) -> None:
    with lock:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()


def send(message: Any) -> None:
    raw(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")


def reply(message: Any, value: Any) -> None:
    text = {"type": "text", "text": value if isinstance(value, str) else json.dumps(value)}
    result = {"content": [text]}
    if ERA == "modern":
        result["resultType"] = "complete"  # type: ignore[assignment]
    send({"id": message["id"], "result": result})


def echo(message: Any, arguments: Any, _meta: Any) -> None:
    reply(message, arguments)


def show_meta(message: Any, _arguments: Any, meta: Any) -> None:
    reply(message, meta)


def environment(message: Any, _arguments: Any, _meta: Any) -> None:
    reply(message, dict(os.environ))


def pid(message: Any, _arguments: Any, _meta: Any) -> None:
    reply(message, os.getpid())


def tell_cancelled(message: Any, _arguments: Any, _meta: Any) -> None:
    reply(message, cancelled)


def sleep(message: Any, arguments: Any, _meta: Any) -> None:
    time.sleep(arguments["seconds"])
    reply(message, "slept")


def crash(_message: Any, _arguments: Any, _meta: Any) -> None:
    os._exit(3)


def close_stdout(_message: Any, _arguments: Any, _meta: Any) -> None:
    os.close(1)
    time.sleep(60)


STUBBORN = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"


def spawn(message: Any, arguments: Any, _meta: Any) -> None:
    words = [sys.executable, "-c", STUBBORN]
    reply(message, subprocess.Popen(words, start_new_session=arguments["leaves_group"]).pid)


def junk(message: Any, arguments: Any, _meta: Any) -> None:
    raw(arguments["text"].encode() * arguments["times"])
    reply(message, "sorry")


def some_bytes(message: Any, arguments: Any, _meta: Any) -> None:
    raw(bytes(arguments["bytes"]))
    reply(message, "sorry")


def large(message: Any, arguments: Any, _meta: Any) -> None:
    reply(message, "x" * arguments["size"])


def endless(_message: Any, _arguments: Any, _meta: Any) -> None:
    while True:
        raw(b"x" * 65536)


def stderr(message: Any, arguments: Any, _meta: Any) -> None:
    sys.stderr.write(arguments["text"] * arguments["times"])
    sys.stderr.flush()
    reply(message, "said")


def progress(message: Any, arguments: Any, meta: Any) -> None:
    for number in range(arguments["times"]):
        params = {"progressToken": meta.get("progressToken"), "progress": number}
        send({"method": "notifications/progress", "params": params})
    send({"method": "notifications/progress", "params": {"progressToken": 10**9}})
    send({"method": "notifications/message", "params": {"level": "info", "data": "log"}})
    reply(message, "done")


def change(message: Any, _arguments: Any, _meta: Any) -> None:
    send({"method": "notifications/tools/list_changed"})
    reply(message, "changed")


def asks(message: Any, _arguments: Any, _meta: Any) -> None:
    send({"id": "p", "method": "ping"})
    send({"id": 7, "method": "sampling/createMessage", "params": {}})
    came.acquire(timeout=5)
    came.acquire(timeout=5)
    reply(message, answered)


TOOLS = {
    "echo": echo,
    "meta": show_meta,
    "environment": environment,
    "pid": pid,
    "cancelled": tell_cancelled,
    "sleep": sleep,
    "crash": crash,
    "close_stdout": close_stdout,
    "spawn": spawn,
    "junk": junk,
    "bytes": some_bytes,
    "large": large,
    "endless": endless,
    "stderr": stderr,
    "progress": progress,
    "change": change,
    "asks": asks,
}


def call(message: Any) -> None:
    params = message["params"]
    tool = TOOLS.get(params["name"])
    if tool is None:
        send({"id": message["id"], "error": {"code": -32602, "message": "unknown tool"}})
    else:
        threading.Thread(
            target=tool, args=(message, params["arguments"], params.get("_meta", {})), daemon=True
        ).start()


def discover(message: Any) -> None:
    result = {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {"listChanged": "changing" in OPTIONS}},
        "ttlMs": 0,
        "cacheScope": "private",
    }
    send({"id": message["id"], "result": result})


def initialize(message: Any) -> None:
    version = message["params"]["protocolVersion"]
    result = {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {}}
    send({"id": message["id"], "result": result})


def list_tools(message: Any) -> None:
    send({"id": message["id"], "result": {"tools": [TOOL], "resultType": "complete"}})


def listen(_message: Any) -> None:
    send({"method": "notifications/tools/list_changed", "params": {}})


def note_cancelled(message: Any) -> None:
    cancelled.append(message["params"]["requestId"])


METHODS = {"tools/list": list_tools, "tools/call": call, "notifications/cancelled": note_cancelled}
METHODS |= (
    {"server/discover": discover, "subscriptions/listen": listen}
    if ERA == "modern"
    else {"initialize": initialize}
)


def hear(message: Any) -> None:
    method = message.get("method")
    if method is None:
        answered.append(message)
        came.release()
    elif method in METHODS:
        METHODS[method](message)
    elif "id" in message and ERA == "dies":
        sys.exit(1)
    elif "id" in message and ERA != "deaf":
        send({"id": message["id"], "error": {"code": -32601, "message": "what?"}})


def main() -> None:
    if ERA == "gone":
        sys.stderr.write("cannot work like this\n")
        sys.exit(4)
    if "stubborn" in OPTIONS:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "chatty" in OPTIONS:
        raw(b"Welcome!\n\nListening on stdio\n")
    for line in sys.stdin:
        if ERA != "mute":
            if "late" in OPTIONS:
                OPTIONS.remove("late")
                time.sleep(1.5)
            hear(json.loads(line))
    while "stubborn" in OPTIONS:
        time.sleep(1)


if __name__ == "__main__":
    main()
