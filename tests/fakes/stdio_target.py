"""An MCP server over stdio with every vice a test needs. Run as a program: `ERA [option…]`.

ERA: modern | legacy | dies (on an unknown first message) | deaf (to what it does not know) | mute |
gone (exits at once). Options: stubborn (ignores SIGTERM and a closed stdin) | late (answers after
a pause) | chatty (prints before it speaks MCP) | changing (announces that its tools change) |
curious (asks for roots as soon as it is open) | sullen (agrees to no subscription).
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
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"
heard: dict[str, Any] = {"capabilities": None, "levels": [], "subscribed": [], "unsubscribed": []}
listens: dict[Any, list[str]] = {}  # id of a listen request → the URIs in it
questions: dict[Any, threading.Semaphore] = {}  # id of a request of ours → it was answered
cancelled: list[Any] = []
answered: list[Any] = []
came = threading.Semaphore(0)
may_go = threading.Semaphore(0)
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


def hold(message: Any, _arguments: Any, _meta: Any) -> None:
    may_go.acquire(timeout=60)
    reply(message, "held")


def let_go(message: Any, _arguments: Any, _meta: Any) -> None:
    may_go.release()
    reply(message, "let go")


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
    came.acquire(timeout=60)
    came.acquire(timeout=60)
    reply(message, answered)


def question(message: Any, arguments: Any) -> Any:
    """Asks the client something and waits for the answer, which is then in `answered`."""
    number = arguments.get("id", f"q{message['id']}")
    questions[number] = threading.Semaphore(0)
    send({"id": number, "method": arguments["method"], "params": arguments.get("params", {})})
    return number


def ask(message: Any, arguments: Any, _meta: Any) -> None:
    number = question(message, arguments)
    await_answer(message, {"id": number}, None)


def await_answer(message: Any, arguments: Any, _meta: Any) -> None:
    number = arguments["id"]
    questions[number].acquire(timeout=60)
    reply(message, [answer for answer in answered if answer["id"] == number])


def ask_later(message: Any, arguments: Any, _meta: Any) -> None:
    reply(message, "later")
    question(message, arguments)


def ask_and_leave(message: Any, arguments: Any, _meta: Any) -> None:
    number = question(message, arguments)
    reply(message, number)


def ask_often(message: Any, arguments: Any, _meta: Any) -> None:
    numbers = [
        question(message, {**arguments, "id": f"{message['id']}-{number}"})
        for number in range(arguments["times"])
    ]
    for number in numbers:
        questions[number].acquire(timeout=60)
    reply(message, [answer for answer in answered if answer["id"] in numbers])


def take_back(message: Any, arguments: Any, _meta: Any) -> None:
    send({"method": "notifications/cancelled", "params": {"requestId": arguments["id"]}})
    reply(message, "taken back")


def answers(message: Any, _arguments: Any, _meta: Any) -> None:
    reply(message, answered)


def say(message: Any, arguments: Any, _meta: Any) -> None:
    for one in arguments["messages"]:
        send(one)
    reply(message, "said")


def say_later(message: Any, arguments: Any, _meta: Any) -> None:
    reply(message, "later")
    for one in arguments["messages"]:
        send(one)


def state(message: Any, _arguments: Any, _meta: Any) -> None:
    reply(message, {**heard, "listens": list(listens.values())})


def update(message: Any, arguments: Any, _meta: Any) -> None:
    uri = arguments["uri"]
    if ERA == "modern":
        for number, uris in tuple(listens.items()):
            if uri in uris:
                params = {"uri": uri, "_meta": {SUBSCRIPTION: number, "x.y/z": 1}}
                send({"method": "notifications/resources/updated", "params": params})
    else:
        send({"method": "notifications/resources/updated", "params": {"uri": uri}})
    reply(message, "updated")


def end_listens(message: Any, arguments: Any, _meta: Any) -> None:
    for number in tuple(listens):
        del listens[number]
        if arguments["politely"]:
            send({"id": number, "result": {"resultType": "complete"}})
        else:
            send({"method": "notifications/cancelled", "params": {"requestId": number}})
    reply(message, "ended")


def need(message: Any, _arguments: Any, _meta: Any) -> None:
    result = {"resultType": "input_required", "requestState": "s"}
    send({"id": message["id"], "result": result})


TOOLS = {
    "need": need,
    "ask": ask,
    "await_answer": await_answer,
    "ask_later": ask_later,
    "ask_and_leave": ask_and_leave,
    "ask_often": ask_often,
    "take_back": take_back,
    "answers": answers,
    "say": say,
    "say_later": say_later,
    "state": state,
    "update": update,
    "end_listens": end_listens,
    "echo": echo,
    "meta": show_meta,
    "environment": environment,
    "pid": pid,
    "cancelled": tell_cancelled,
    "sleep": sleep,
    "hold": hold,
    "let_go": let_go,
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


def capabilities() -> Any:
    is_changing = "changing" in OPTIONS
    return {
        "tools": {"listChanged": is_changing},
        "prompts": {"listChanged": is_changing},
        "resources": {"listChanged": is_changing, "subscribe": True},
        "logging": {},
    }


def discover(message: Any) -> None:
    result = {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities(),
        "instructions": "Be kind.",
        "ttlMs": 0,
        "cacheScope": "private",
    }
    send({"id": message["id"], "result": result})


def initialize(message: Any) -> None:
    heard["capabilities"] = message["params"]["capabilities"]
    result = {
        "protocolVersion": message["params"]["protocolVersion"],
        "capabilities": capabilities(),
        "serverInfo": {},
        "instructions": "Be kind.",
    }
    send({"id": message["id"], "result": result})


def initialized(_message: Any) -> None:
    if "curious" in OPTIONS:
        questions["curious"] = threading.Semaphore(0)
        send({"id": "curious", "method": "roots/list"})


def list_tools(message: Any) -> None:
    tools = [TOOL, {**TOOL, "name": "picky"}] if heard["capabilities"] else [TOOL]
    send({"id": message["id"], "result": {"tools": tools, "resultType": "complete"}})


def listen(message: Any) -> None:
    wanted = message["params"]["notifications"]
    uris = wanted.get("resourceSubscriptions", [])
    if "sullen" in OPTIONS:
        wanted, uris = {}, []
    listens[message["id"]] = uris
    meta = {SUBSCRIPTION: message["id"]}
    params = {"notifications": wanted, "_meta": meta}
    send({"method": "notifications/subscriptions/acknowledged", "params": params})
    if "toolsListChanged" in wanted:
        send({"method": "notifications/tools/list_changed", "params": {"_meta": meta}})


def set_level(message: Any) -> None:
    heard["levels"].append(message["params"]["level"])
    send({"id": message["id"], "result": {}})


def subscribe(message: Any) -> None:
    uri = message["params"]["uri"]
    if uri == "no://where":
        send({"id": message["id"], "error": {"code": -32002, "message": "no such resource"}})
        return
    heard["subscribed"].append(uri)
    send({"id": message["id"], "result": {}})


def unsubscribe(message: Any) -> None:
    heard["unsubscribed"].append(message["params"]["uri"])
    send({"id": message["id"], "result": {}})


def read(message: Any) -> None:
    uri = message["params"]["uri"]
    contents = [{"uri": uri, "text": json.dumps(message["params"].get("_meta"))}]
    send({"id": message["id"], "result": {"contents": contents, "resultType": "complete"}})


def note_cancelled(message: Any) -> None:
    cancelled.append(message["params"]["requestId"])
    listens.pop(message["params"]["requestId"], None)


METHODS = {
    "tools/list": list_tools,
    "tools/call": call,
    "resources/read": read,
    "notifications/cancelled": note_cancelled,
}
METHODS |= (
    {"server/discover": discover, "subscriptions/listen": listen}
    if ERA == "modern"
    else {
        "initialize": initialize,
        "notifications/initialized": initialized,
        "logging/setLevel": set_level,
        "resources/subscribe": subscribe,
        "resources/unsubscribe": unsubscribe,
    }
)


def hear(message: Any) -> None:
    method = message.get("method")
    if method is None:
        answered.append(message)
        came.release()
        if message["id"] in questions:
            questions[message["id"]].release()
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
