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


def call(message: Any) -> None:
    name, arguments = message["params"]["name"], message["params"]["arguments"]
    meta = message["params"].get("_meta", {})
    if name == "echo":
        reply(message, arguments)
    elif name == "meta":
        reply(message, meta)
    elif name == "environment":
        reply(message, dict(os.environ))
    elif name == "pid":
        reply(message, os.getpid())
    elif name == "cancelled":
        reply(message, cancelled)
    elif name == "sleep":
        time.sleep(arguments["seconds"])
        reply(message, "slept")
    elif name == "crash":
        os._exit(3)
    elif name == "close_stdout":
        os.close(1)
        time.sleep(60)
    elif name == "spawn":
        words = [sys.executable, "-c", "import time, signal; "
                 "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"]  # fmt: skip
        child = subprocess.Popen(words, start_new_session=arguments["leaves_group"])
        reply(message, child.pid)
    elif name == "junk":
        raw(arguments["text"].encode() * arguments["times"])
        reply(message, "sorry")
    elif name == "bytes":
        raw(bytes(arguments["bytes"]))
        reply(message, "sorry")
    elif name == "large":
        reply(message, "x" * arguments["size"])
    elif name == "endless":
        while True:
            raw(b"x" * 65536)
    elif name == "stderr":
        sys.stderr.write(arguments["text"] * arguments["times"])
        sys.stderr.flush()
        reply(message, "said")
    elif name == "progress":
        for number in range(arguments["times"]):
            params = {"progressToken": meta.get("progressToken"), "progress": number}
            send({"method": "notifications/progress", "params": params})
        send({"method": "notifications/progress", "params": {"progressToken": 10**9}})
        send({"method": "notifications/message", "params": {"level": "info", "data": "log"}})
        reply(message, "done")
    elif name == "change":
        send({"method": "notifications/tools/list_changed"})
        reply(message, "changed")
    elif name == "asks":
        send({"id": "p", "method": "ping"})
        send({"id": 7, "method": "sampling/createMessage", "params": {}})
        answers = [answered.pop(0) if answered else wait_for_answer() for _ in range(2)]
        reply(message, answers)
    else:
        send({"id": message["id"], "error": {"code": -32602, "message": "unknown tool"}})


answered: list[Any] = []
came = threading.Semaphore(0)


def wait_for_answer() -> Any:
    came.acquire(timeout=5)
    return answered.pop(0)


def hear(message: Any) -> None:
    method = message.get("method")
    if method is None:
        answered.append(message)
        came.release()
    elif method == "server/discover" and ERA == "modern":
        capabilities = {"tools": {"listChanged": "changing" in OPTIONS}}
        send({"id": message["id"], "result": {
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities, "ttlMs": 0, "cacheScope": "private"}})  # fmt: skip
    elif method == "subscriptions/listen" and ERA == "modern":
        send({"method": "notifications/tools/list_changed", "params": {}})
    elif method == "initialize" and ERA != "modern":
        version = message["params"]["protocolVersion"]
        send({"id": message["id"], "result": {
            "protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": {}}})  # fmt: skip
    elif method == "tools/list":
        send({"id": message["id"], "result": {"tools": [TOOL], "resultType": "complete"}})
    elif method == "tools/call":
        threading.Thread(target=call, args=(message,), daemon=True).start()
    elif method == "notifications/cancelled":
        cancelled.append(message["params"]["requestId"])
    elif "id" in message:
        if ERA == "dies":
            sys.exit(1)
        if ERA != "deaf":
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
