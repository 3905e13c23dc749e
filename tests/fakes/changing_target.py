"""An MCP server over stdio whose one tool has the input schema of a file, whatever it says now.

Run as a program: `FILE`. It announces that its tools changed when the file does.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any

FILE = sys.argv[1]
lock = threading.Lock()


def send(message: Any) -> None:
    with lock:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()


def schema() -> Any:
    with open(FILE) as file:
        return json.load(file)


def answer(message: Any) -> Any:
    if message["method"] == "initialize":
        return {
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "changing", "version": "1"},
        }
    if message["method"] == "tools/list":
        return {"tools": [{"name": "refund", "inputSchema": schema()}]}
    if message["method"] == "tools/call":
        return {"content": [{"type": "text", "text": "refunded"}]}
    return None


def watch() -> None:
    before = os.stat(FILE).st_mtime_ns
    while True:
        time.sleep(0.05)
        now = os.stat(FILE).st_mtime_ns
        if now != before:
            before = now
            send({"method": "notifications/tools/list_changed"})


threading.Thread(target=watch, daemon=True).start()
for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    result = answer(message)
    if result is None:
        send({"id": message["id"], "error": {"code": -32601, "message": "unknown"}})
    else:
        send({"id": message["id"], "result": result})
